// Lambda's Node runtime, as much of it as timing needs: it takes invocations and gives the answers back. AWS's own does more.
import http from "node:http";
import { createRequire } from "node:module";

const agent = new http.Agent({ keepAlive: true });
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, host, port, method, path: `/2018-06-01/runtime/invocation/${path}` }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ id: response.headers["lambda-runtime-aws-request-id"], text: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const { handler } = createRequire(import.meta.url)(process.argv[2]);
for (;;) {
  const { id, text } = await call("GET", "next");
  const answer = await handler(JSON.parse(text)).catch((error) => ({ error: String(error) }));
  await call("POST", `${id}/response`, JSON.stringify(answer));
}
