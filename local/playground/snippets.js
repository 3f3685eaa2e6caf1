// The request that was really sent, as text to paste. The token is an environment variable or a parameter, never a value.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// By name, from the method, the URL and the body as JSON.
export const SNIPPETS = {
  curl: (method, url, body) => `curl -X ${method} ${quoted(url)} -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d ${quoted(body)}`,
  fetch: (method, url, body) => `const response = await fetch(${JSON.stringify(url)}, {
  method: "${method}",
  headers: { Authorization: \`Bearer \${token}\`, "Content-Type": "application/json" },
  body: JSON.stringify(${body}),
});`,
  Swift: (method, url, body) => `var request = URLRequest(url: URL(string: ${JSON.stringify(url)})!)
request.httpMethod = "${method}"
request.setValue("Bearer \\(token)", forHTTPHeaderField: "Authorization")
request.setValue("application/json", forHTTPHeaderField: "Content-Type")
request.httpBody = Data(###"${body}"###.utf8)
let (data, response) = try await URLSession.shared.data(for: request)`,
  Kotlin: (method, url, body) => `val connection = URL(${JSON.stringify(url)}).openConnection() as HttpURLConnection
connection.requestMethod = "${method}"
connection.setRequestProperty("Authorization", "Bearer $token")
connection.setRequestProperty("Content-Type", "application/json")
connection.doOutput = true
connection.outputStream.use { it.write(${JSON.stringify(body).replaceAll("$", "\\$")}.toByteArray()) }
val answer = connection.inputStream.bufferedReader().readText()`,
};
