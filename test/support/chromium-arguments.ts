/**
 * Parts of Chromium's own window that are pages, each in a renderer of its own. Nobody sees them, and in every window,
 * which is every profile, they cost as much processor time as the page of a test: without them a browser with two pages
 * takes 2.8 s instead of 4.3 (Chromium 156). A version that knows a name no more ignores it.
 */
const WINDOW = ['InitialWebUI', 'WebUIReloadButton', 'WebUIToolbar', 'WebUILocationBar', 'WebUIHomeButton'];
WINDOW.push('WebUIBackForwardButton', 'WebUIOmniboxPopup', 'WebUIOmniboxFullPopup', 'WebUIOmniboxAimPopup');
WINDOW.push('WebUITabStrip', 'WebUISplitTabsButton', 'WebUIOverflowButton', 'PreloadTopChromeWebUI');

/** What Playwright switches off: the last list counts, so that ours has to hold its own. */
const PLAYWRIGHT = ['AvoidUnnecessaryBeforeUnloadCheckSync', 'DestroyProfileOnBrowserClose', 'HttpsUpgrades'];
PLAYWRIGHT.push('HttpsFirstBalancedModeAutoEnable', 'LensOverlay', 'MediaRouter', 'PaintHolding');
PLAYWRIGHT.push('ThirdPartyStoragePartitioning', 'AvoidCorsURLLoaderRestartOnRedirect', 'TcpPortRandomizationWin');
PLAYWRIGHT.push('OptimizationHints', 'NetworkTimeServiceQuerying', 'AimEnabled', 'PreconnectToSearch');

/** For every Chromium that a test starts. */
export const CHROMIUM_ARGUMENTS: readonly string[] = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  `--disable-features=${[...PLAYWRIGHT, ...WINDOW].join(',')}`,
];
