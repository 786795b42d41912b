// Fulcio with a CT log, and Rekor, by @sigstore/mock, behind one HTTP server of loopback.
// Arguments: the port, and the file to write the clients' trust configuration to.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const {
  fulcioHandler, initializeCA, initializeCTLog, initializeTLog, rekorHandler,
} = require("@sigstore/mock");

const [port, file] = process.argv.slice(2);
const url = `http://localhost:${port}`;
const START = "2020-01-01T00:00:00Z";
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const keyPair = () => crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });

function log(baseUrl, publicKey) {
  return {
    baseUrl,
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: base64(publicKey),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor: { start: START },
    },
    logId: { keyId: base64(crypto.createHash("sha256").update(publicKey).digest()) },
  };
}

function service(api) {
  return { url, majorApiVersion: api, validFor: { start: START }, operator: "sigstore.mock" };
}

const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

// The mock reads the form that sigstore-js sends. sigstore-python has the identity in a header, and the request
// for a certificate in base64, as bytes are in protobuf's JSON. And the mock logs an entry as it was proposed;
// Rekor logs the hashes of a DSSE envelope, and its signatures.
function translated(body, authorization) {
  const asked = JSON.parse(body);
  if (asked.certificateSigningRequest !== undefined) {
    asked.certificateSigningRequest = Buffer.from(asked.certificateSigningRequest, "base64").toString();
    asked.credentials ??= { oidcIdentityToken: (authorization ?? "").replace(/^Bearer /, "") };
  } else if (asked.spec?.proposedContent !== undefined) {
    const { envelope, verifiers } = asked.spec.proposedContent;
    const { payload, signatures } = JSON.parse(envelope);
    asked.spec = {
      envelopeHash: { algorithm: "sha256", value: sha256(envelope) },
      payloadHash: { algorithm: "sha256", value: sha256(Buffer.from(payload, "base64")) },
      signatures: [{ signature: signatures[0].sig, verifier: verifiers[0] }],
    };
  }
  return JSON.stringify(asked);
}

async function main() {
  const ctlog = await initializeCTLog(keyPair());
  const ca = await initializeCA(keyPair(), ctlog);
  const tlog = await initializeTLog(url, keyPair());
  const handlers = new Map(
    [fulcioHandler(ca), rekorHandler(tlog)].map((handler) => [handler.path, handler.fn]),
  );
  fs.writeFileSync(file, JSON.stringify({
    mediaType: "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
    trustedRoot: {
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [log(url, tlog.publicKey)],
      certificateAuthorities: [{
        subject: { organization: "sigstore.mock", commonName: "sigstore" },
        uri: url,
        certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] },
        validFor: { start: START },
      }],
      ctlogs: [log(`${url}/ct`, ctlog.publicKey)],
      timestampAuthorities: [],
    },
    signingConfig: {
      mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
      caUrls: [service(1)],
      oidcUrls: [service(1)],
      rekorTlogUrls: [service(1)],
      rekorTlogConfig: { selector: "ANY" },
      tsaUrls: [],
      tsaConfig: { selector: "ANY" },
    },
  }));
  http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", async () => {
      const handle = handlers.get(request.url);
      if (request.method !== "POST" || handle === undefined) {
        response.writeHead(404).end();
        return;
      }
      const answer = await handle(
        translated(Buffer.concat(pieces).toString(), request.headers.authorization),
      );
      response.writeHead(answer.statusCode, { "Content-Type": answer.contentType ?? "text/plain" });
      response.end(answer.response);
    });
  }).listen(Number(port), "127.0.0.1");
}

main();
