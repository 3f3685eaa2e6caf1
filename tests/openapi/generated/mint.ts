// Mints with the client that openapi-generator makes from the contract.
import { Configuration, ConvaiApi } from "./typescript-fetch/index.js";

declare const process: { env: Record<string, string | undefined> };

const { MINT_URL, MINT_TOKEN } = process.env;
const api = new ConvaiApi(new Configuration({ basePath: MINT_URL, accessToken: MINT_TOKEN }));
const { apiAuthToken, mint } = await api.convaiMint();
if (!apiAuthToken || mint.vendor !== "convai") throw new Error("the response is no credential");
console.log(`minted ${mint.id}`);
