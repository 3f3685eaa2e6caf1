// The request that was really sent, as text to paste. The token is an environment variable or a parameter, never a value.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const split = (route) => route.split(" ");

export const SNIPPETS = {
  curl(origin, route, body) {
    const [method, path] = split(route);
    return `curl -X ${method} ${quoted(origin + path)} -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
  },
  fetch(origin, route, body) {
    const [method, path] = split(route);
    return `const response = await fetch(${JSON.stringify(origin + path)}, {
  method: "${method}",
  headers: { Authorization: \`Bearer \${token}\`, "Content-Type": "application/json" },
  body: JSON.stringify(${JSON.stringify(body)}),
});`;
  },
  Swift(origin, route, body) {
    const [method, path] = split(route);
    return `var request = URLRequest(url: URL(string: ${JSON.stringify(origin + path)})!)
request.httpMethod = "${method}"
request.setValue("Bearer \\(token)", forHTTPHeaderField: "Authorization")
request.setValue("application/json", forHTTPHeaderField: "Content-Type")
request.httpBody = Data(###"${JSON.stringify(body)}"###.utf8)
let (data, response) = try await URLSession.shared.data(for: request)`;
  },
  Kotlin(origin, route, body) {
    const [method, path] = split(route);
    const text = JSON.stringify(JSON.stringify(body)).replaceAll("$", "\\$");
    return `val connection = URL(${JSON.stringify(origin + path)}).openConnection() as HttpURLConnection
connection.requestMethod = "${method}"
connection.setRequestProperty("Authorization", "Bearer $token")
connection.setRequestProperty("Content-Type", "application/json")
connection.doOutput = true
connection.outputStream.use { it.write(${text}.toByteArray()) }
val answer = connection.inputStream.bufferedReader().readText()`;
  },
};
