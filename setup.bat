@echo off
rem From a fresh Windows machine to a running Tandem, or to its tests: the same steps as setup.sh.
setlocal
cd /d "%~dp0" || exit /b 1

if "%~1"=="" goto prepare_only
if /i "%~1"=="start" goto start
if /i "%~1"=="test" goto test
if /i "%~1"=="--help" goto help
if /i "%~1"=="-h" goto help
>&2 echo setup.bat: not understood: %1
>&2 call :usage
exit /b 2

:help
call :usage
exit /b 0

:prepare_only
call :prepare || exit /b 1
echo Ready. Start the server with setup.bat start, or with npm start.
call :redis_options
exit /b 0

:start
if "%~2"=="" goto start_known
if /i "%~2"=="--lan" goto start_lan
>&2 echo setup.bat: not understood: %2
>&2 call :usage
exit /b 2
:start_lan
set "HOST=0.0.0.0"
:start_known
call :prepare || exit /b 1
node scripts\setup.js port || exit /b 1
node scripts\setup.js addresses || exit /b 1
if "%HOST%"=="0.0.0.0" echo Windows may ask whether Node.js may accept connections: allow it for private networks.
node dist\server\main.js
exit /b %ERRORLEVEL%

:test
call :prepare || exit /b 1
echo The tests of several instances need redis-server, which there is not for Windows.
echo Others need Postgres, nginx, promtool, shellcheck, Chromium and python3-socketio as Debian packs them.
echo They fail here; for all of them, run ./setup.sh test in WSL.
call npm run --silent check
exit /b %ERRORLEVEL%

:prepare
where node >nul 2>nul || goto no_node
node -e "const v = process.versions.node.split('.'); process.exit(v[0] * 1000 + Number(v[1]) >= 20019 ? 0 : 1)" || goto old_node
node -e "process.exit(process.versions.node.startsWith('20.') ? 1 : 0)" || echo Node.js 20 is past its end of life (April 2026): it works, but gets no security fixes. Better take 24.
where npm >nul 2>nul || goto no_npm
node scripts\setup.js
exit /b %ERRORLEVEL%

:no_node
>&2 echo Tandem needs Node.js 20.19 or newer, and there is none on the PATH.
goto how_to_get_node
:old_node
>&2 echo Tandem needs Node.js 20.19 or newer; this one is:
>&2 node --version
:how_to_get_node
>&2 echo Install it with: winget install OpenJS.NodeJS.LTS
>&2 echo or from https://nodejs.org/en/download, then open a new window.
exit /b 1
:no_npm
>&2 echo There is Node.js but no npm on the PATH; the installer from https://nodejs.org/ brings both.
exit /b 1

:redis_options
rem Only for those who want several instances: one keeps its state to itself, and needs none.
node scripts\setup.js wants-redis || exit /b 0
echo Several instances share a Redis 7 ^(REDIS_URL^) and a Postgres ^(DATABASE_URL^). There is no Redis for Windows itself:
echo   in WSL: sudo apt-get install redis-server
echo   or Memurai, which speaks the same protocol: https://www.memurai.com/
echo   then, in its configuration: appendonly yes, appendfsync always, maxmemory-policy noeviction
echo npm run doctor says whether it will do.
exit /b 0

:usage
echo Usage: setup.bat [start [--lan] ^| test ^| --help]
echo.
echo   setup.bat              installs the dependencies, writes .env when there is none, builds
echo   setup.bat start        the same, then starts the server on this machine
echo   setup.bat start --lan  the same, reachable from the local network for this run
echo   setup.bat test         the same without the start, then types, lint and tests
exit /b 0
