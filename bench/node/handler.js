// The yardstick in Node: the twenty lines that a team would write by hand, bundled as AWS advises. No limits.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const key = new SecretsManagerClient()
  .send(new GetSecretValueCommand({ SecretId: process.env.API_KEY_SECRET }))
  .then(({ SecretString }) => JSON.parse(SecretString).api_key);

/** One Trulience token. */
export async function handler(event) {
  const { avatar_id } = JSON.parse(event.body);
  const response = await fetch(`${process.env.TRULIENCE_API_URL}/auth/generate-token`, {
    method: "POST",
    headers: { "x-api-key": await key, "content-type": "application/json" },
    body: JSON.stringify({ avatar_id }),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return { statusCode: 201, headers: { "content-type": "application/json" }, body: await response.text() };
}
