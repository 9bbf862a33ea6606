// Does with the independent packages what it is asked: one JSON request a line, one answer a line.
// Byte strings travel as hexadecimal. An error of a package is an answer {"refused": text}.
import { createInterface } from 'node:readline'
import { webcrypto } from 'node:crypto'
import { RSABSSA } from '@cloudflare/blindrsa-ts'
import { Token, TOKEN_TYPES, publicVerif, util } from '@cloudflare/privacypass-ts'

globalThis.crypto ??= webcrypto
const { BlindRSAMode, Client, Issuer, Origin, TokenRequest, getPublicKeyBytes } = publicVerif
const RSA_PSS = { name: 'RSA-PSS', hash: 'SHA-384' }
const suite = RSABSSA.SHA384.PSS.Deterministic()

// The packages read the whole buffer behind an array, so each array has one of its own.
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'))
const hex = (array) => Buffer.from(array).toString('hex')

const publicKey = (spki) =>
  crypto.subtle.importKey('spki', util.convertRSASSAPSSToEnc(bytes(spki)), RSA_PSS, true, ['verify'])
const privateKey = (pkcs8) =>
  crypto.subtle.importKey('pkcs8', bytes(pkcs8), RSA_PSS, true, ['sign'])
const issuer = async ({ pkcs8, spki }) =>
  new Issuer(BlindRSAMode.PSS, 'veilmart', await privateKey(pkcs8), await publicKey(spki))
const challenge = () =>
  new Origin(BlindRSAMode.PSS).createTokenChallenge('veilmart', new Uint8Array(0))

let client // between `request` and `token`

const actions = {
  async blind({ spki, message }) {
    const { blindedMsg, inv } = await suite.blind(await publicKey(spki), bytes(message))
    return { blinded: hex(blindedMsg), inverse: hex(inv) }
  },
  async blindSign({ pkcs8, blinded }) {
    return { signature: hex(await suite.blindSign(await privateKey(pkcs8), bytes(blinded))) }
  },
  async finalize({ spki, message, signature, inverse }) {
    const key = await publicKey(spki)
    const done = await suite.finalize(key, bytes(message), bytes(signature), bytes(inverse))
    return { signature: hex(done) }
  },
  async verify({ spki, message, signature }) {
    const key = await publicKey(spki)
    return { good: await suite.verify(key, bytes(signature), bytes(message)) }
  },
  async challenge() {
    return { challenge: hex(challenge().serialize()) }
  },
  async request({ spki }) {
    client = new Client(BlindRSAMode.PSS)
    const request = await client.createTokenRequest(challenge(), bytes(spki))
    return { request: hex(request.serialize()) }
  },
  async token({ response }) {
    const token = await client.finalize(client.deserializeTokenResponse(bytes(response)))
    return { token: hex(token.serialize()) }
  },
  async issue({ pkcs8, spki, request }) {
    const wanted = TokenRequest.deserialize(TOKEN_TYPES.BLIND_RSA, bytes(request))
    const response = await (await issuer({ pkcs8, spki })).issue(wanted)
    return { response: hex(response.serialize()) }
  },
  async check({ spki, token }) {
    const parsed = Token.deserialize(TOKEN_TYPES.BLIND_RSA, bytes(token))
    const good = await new Origin(BlindRSAMode.PSS).verify(parsed, await publicKey(spki))
    const input = parsed.authInput
    return {
      good,
      nonce: hex(input.nonce),
      challengeDigest: hex(input.challengeDigest),
      keyId: hex(input.tokenKeyId),
    }
  },
  async key({ pkcs8, spki }) {
    const own = await issuer({ pkcs8, spki })
    return { spki: hex(await getPublicKeyBytes(own.publicKey)), keyId: hex(await own.tokenKeyID()) }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { action, ...values } = JSON.parse(line)
  let answer
  try {
    answer = await actions[action](values)
  } catch (fault) {
    answer = { refused: String(fault) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
