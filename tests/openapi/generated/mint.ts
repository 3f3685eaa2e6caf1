// Mints with the client that openapi-generator makes from the contract.
import { Configuration, ConvaiApi } from "./typescript-fetch/index.js";

declare const process: { env: Record<string, string | undefined> };

const { MINT_URL, MINT_TOKEN } = process.env;
const apiUrl = MINT_URL;
const session = { getJwt: async () => MINT_TOKEN ?? "" };
// The code of docs/clients/generated.md comes here.
if (!apiAuthToken || mint.vendor !== "convai") throw new Error("the response is no credential");
console.log(`minted ${mint.id}`);
