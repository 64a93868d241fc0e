"""A made-up ministry's sign-in (OpenID Connect) on a real socket. It says what it should, or what a test has it say."""

import hmac
import json
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey

from contracts.codec import b64u_decode, b64u_encode

HS256 = b'{"alg":"HS256","kid":"k1"}'
SHARED = {"public key", "published secret"}
"""What a token is signed with as if it were a secret: the public key, or one that stands in the published set."""
CLIENT, SECRET = "paradero", "secreto-ficticio-del-ministerio"


@dataclass
class Ministry:
    """`claims` change what its tokens say (None: left out); `signed` how; `broken`: paths that answer 500."""

    now: object
    issuer: str = ""
    key: object = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"}))
    claims: dict = field(default_factory=dict)
    signed: str = "ES256"
    broken: set = field(default_factory=set)
    asked: list = field(default_factory=list)
    _codes: dict = field(default_factory=dict)
    exchanged: int = 0
    told_issuer: str = ""

    def let_in(self, address: str, subject: str = "f-1234") -> dict:
        """Somebody signs in at the address they were sent to; return what their browser brings back."""
        parts = urlsplit(address)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        self.asked.append(query)
        code = f"c{len(self._codes)}"
        self._codes[code] = (query, subject)
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def token(self, query: dict, subject: str) -> str:
        now = int(self.now().timestamp())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": subject, "nonce": query["nonce"], "iat": now, "exp": now + 300,
            "auth_time": now,
        } | self.claims  # fmt: skip
        payload = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
        if self.signed == "none":
            return ".".join((b64u_encode(b'{"alg":"none"}'), b64u_encode(payload), ""))
        if self.signed in SHARED:
            secret = self.key.as_pem(private=False) if self.signed == "public key" else b64u_decode("AAAA")
            signed = f"{b64u_encode(HS256)}.{b64u_encode(payload)}"
            return f"{signed}.{b64u_encode(hmac.digest(secret, signed.encode(), sha256))}"
        return jws.serialize_compact({"alg": self.signed, "kid": "k1"}, payload, self.key, algorithms=[self.signed])

    async def discovery(self, _request):
        told = {
            name: f"{self.issuer}/{path}"
            for name, path in (("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("jwks_uri", "keys"))
        }
        return web.json_response({"issuer": self.told_issuer or self.issuer, **told})

    async def keys(self, _request):
        return web.json_response({"keys": [self.key.as_dict(private=False), {"kty": "oct", "k": "AAAA", "kid": "k1"}]})

    async def exchange(self, request):
        form = await request.post()
        login = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        query, subject = self._codes.pop(form["code"], (None, None))
        challenge = b64u_encode(sha256(form["code_verifier"].encode()).digest())
        good = query and login == f"{CLIENT}:{SECRET}" and challenge == query["code_challenge"]
        if not good or form["redirect_uri"] != query["redirect_uri"] or form["grant_type"] != "authorization_code":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.exchanged += 1
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": self.token(query, subject)})

    async def authorize(self, request):
        """Somebody's browser is here, is let in at once, and is sent back."""
        back = self.let_in(f"{self.issuer}{request.path_qs}")
        raise web.HTTPFound(f"{self.asked[-1]['redirect_uri']}?{urlencode(back)}")

    @web.middleware
    async def breaking(self, request, handler):
        if request.path in self.broken:
            return web.Response(status=500, text="<html>")
        return await handler(request)


@asynccontextmanager
async def ministry(now):
    """Serve one."""
    found = Ministry(now)
    application = web.Application(middlewares=[found.breaking])
    application.router.add_get("/.well-known/openid-configuration", found.discovery)
    application.router.add_get("/authorize", found.authorize)
    application.router.add_get("/keys", found.keys)
    application.router.add_post("/token", found.exchange)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()
