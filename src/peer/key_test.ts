import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../base/errors.ts";
import {
  decodeSpki,
  encodeSpki,
  isHostName,
  loadNodeCrypto,
  parsePublicKeyLine,
  publicKeyOf,
} from "./key.ts";

const crypto = await loadNodeCrypto();
const anyRaw = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyHost = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);

// Made with ssh-keygen -t ed25519.
const LINE = "ssh-ed25519 " +
  "AAAAC3NzaC1lZDI1NTE5AAAAIPjnIvMu3ue4wD9OpqaLCaUv1eLzKaqspho9NT4VLb5r alpha";
const FINGERPRINT = "SHA256:bzmD4PF/ThJpfGHDVPiCrRYz80Ufrcac7A4wWiEwEdI";

Deno.test("parsePublicKeyLine() reads what publicKeyOf() writes", () => {
  fc.assert(fc.property(anyRaw, anyHost, (raw, host) => {
    const key = publicKeyOf(crypto, { raw, host });
    assertEquals(parsePublicKeyLine(crypto, key.line), key);
  }));
});

Deno.test("parsePublicKeyLine() finds the fingerprint of OpenSSH", () => {
  const key = parsePublicKeyLine(crypto, LINE);
  assertEquals(key.host, "alpha");
  assertEquals(key.fingerprint, FINGERPRINT);
  assertEquals(key.line, LINE);
});

Deno.test("parsePublicKeyLine() takes any white space between words", () => {
  const key = parsePublicKeyLine(crypto, `  ${LINE.replaceAll(" ", "\t ")}\r`);
  assertEquals(key.line, LINE);
});

Deno.test("parsePublicKeyLine() refuses everything else", () => {
  const [algorithm, base64, host] = LINE.split(" ");
  const bad = [
    "",
    `${algorithm}`,
    `${algorithm} ${base64}`,
    `${LINE} more`,
    `ssh-rsa ${base64} ${host}`,
    `${algorithm} ${base64?.slice(4)} ${host}`,
    `${algorithm} ${base64}AAAA ${host}`,
    `${algorithm} **** ${host}`,
    `${algorithm} ${base64} a/b`,
    `${algorithm} ${base64} ..`,
    `${algorithm} ${base64} ${"a".repeat(2000)}`,
  ];
  for (const line of bad) {
    assertThrows(() => parsePublicKeyLine(crypto, line), FormatError);
  }
});

Deno.test("parsePublicKeyLine() survives any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertThrows(() => parsePublicKeyLine(crypto, text), FormatError);
  }));
});

Deno.test("decodeSpki() reads what encodeSpki() writes, and only that", () => {
  fc.assert(fc.property(anyRaw, fc.nat(43), (raw, at) => {
    const spki = encodeSpki(raw);
    assertEquals(decodeSpki(spki), raw);
    assertEquals(decodeSpki(spki.subarray(1)), undefined);
    spki[at] = (spki[at] ?? 0) ^ 1;
    if (at < 12) assertEquals(decodeSpki(spki), undefined);
  }));
});

Deno.test("isHostName() refuses what could leave a directory or a line", () => {
  for (const host of ["", ".", "..", "a/b", "a b", "a\n", "-x", "a\0"]) {
    assertEquals(isHostName(host), false);
  }
  for (const host of ["a", "host-1", "h_1.example.org", "1"]) {
    assertEquals(isHostName(host), true);
  }
});
