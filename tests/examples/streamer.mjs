// Odyssey's part of the connection, which its stand-in lacks: a page that sends a picture and answers prompts.

// Joins in on the signalling of `page`, whose socket stays connected to the stand-in. Call it before `page` loads.
export async function stream(page) {
  const streamer = await page.context().newPage();
  await page.routeWebSocket(/\/client\//, async (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      server.send(text);
      streamer.evaluate((message) => globalThis.heard(message), JSON.parse(text));
    });
    socket.send(JSON.stringify({ type: "offer", sdp: await streamer.evaluate(offer) }));
  });
  return streamer;
}

// Runs in the streamer's page.
async function offer() {
  const connection = new RTCPeerConnection();
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
  const brush = canvas.getContext("2d");
  setInterval(() => brush.fillRect(Math.random() * 64, 0, 2, 36), 50);
  const picture = canvas.captureStream();
  connection.addTrack(picture.getTracks()[0], picture);
  const prompts = connection.createDataChannel("clientToStreamer");
  const answers = connection.createDataChannel("streamerToClient");
  globalThis.say = (message) => answers.send(JSON.stringify(message));
  prompts.onmessage = ({ data }) => {
    const { type, prompt } = JSON.parse(data);
    if (type === "interactive_stream_start") globalThis.say({ type: "stream_started", stream_id: "stream-1" });
    if (type === "update") globalThis.say({ type: "update_acknowledged", prompt });
  };
  globalThis.heard = ({ type, sdp, ...candidate }) => {
    if (type === "answer") return connection.setRemoteDescription({ type, sdp });
    if (type === "ice_candidate") return connection.addIceCandidate(candidate);
  };
  await connection.setLocalDescription();
  if (connection.iceGatheringState !== "complete") {
    await new Promise((done) => (connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done()));
  }
  return connection.localDescription.sdp;
}
