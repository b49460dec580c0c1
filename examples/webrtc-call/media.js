//@ts-check
/**
 * @typedef {object} Media
 * @property {MediaStream} stream what the other side gets to see and hear
 * @property {'camera' | 'test picture'} picture
 * @property {string} words what to tell the person, empty when all is as expected
 */

/**
 * Camera and microphone, or as much of them as there is and as the person allows. A call without them still works: the
 * other side then sees a test picture.
 * @returns {Promise<Media>}
 */
export async function openMedia() {
  // Browsers hide this object from pages that came over plain http, except on localhost.
  if (navigator.mediaDevices === undefined) {
    return testMedia([], 'This page came over plain http, so the browser gives it no camera and no microphone.');
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640 } });
    return { stream, picture: 'camera', words: '' };
  } catch (error) {
    if (nameOf(error) === 'NotAllowedError') {
      return testMedia([], 'Camera and microphone are not allowed for this page.');
    }
  }
  // No camera, or another program has it: a microphone alone is better than nothing.
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    return testMedia(stream.getAudioTracks(), 'There is no camera that can be used.');
  } catch {
    return testMedia([], 'There is neither a camera nor a microphone that can be used.');
  }
}

/** @param {unknown} error */
function nameOf(error) {
  return error instanceof Error ? error.name : '';
}

/**
 * A stream whose picture is drawn here.
 * @param {MediaStreamTrack[]} audio
 * @param {string} reason
 * @returns {Media}
 */
function testMedia(audio, reason) {
  const canvas = document.createElement('canvas');
  canvas.width = 640;
  canvas.height = 480;
  const context = canvas.getContext('2d');
  let step = 0;
  const draw = () => {
    if (context === null) return;
    step += 1;
    for (let bar = 0; bar < 8; bar++) {
      context.fillStyle = `hsl(${bar * 45} 60% 45%)`;
      context.fillRect(bar * 80, 0, 80, 480);
    }
    // Something moves, so that a call that hangs looks different from one that runs.
    context.fillStyle = 'white';
    context.fillRect((step * 8) % 640, 220, 40, 40);
  };
  draw();
  // Not requestAnimationFrame, which stops as soon as the tab is in the background.
  const timer = setInterval(() => {
    draw();
    if (!stream.active) clearInterval(timer);
  }, 100);
  const stream = new MediaStream([...canvas.captureStream().getVideoTracks(), ...audio]);
  return { stream, picture: 'test picture', words: `${reason} The other side sees a test picture.` };
}
