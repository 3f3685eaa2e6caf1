"""What is known of the issuers that sign users in. docs/sign-in.md says more, and what of it was tried.

The facts come from the issuers' documentation.
"""

import re
from typing import NamedTuple

HOSTS = {
    "cognito": r"(issuer-)?cognito-idp\.[a-z0-9-]+\.amazonaws\.com",
    "firebase": r"securetoken\.google\.com",
    "auth0": r"[^/]+\.auth0\.com",
    "clerk": r"(clerk\.|[^/]+\.clerk\.)",
    "entra": r"(login\.microsoftonline\.com|sts\.windows\.net)",
    "supabase": r"[^/]+\.supabase\.co",
}
"""What the host of each issuer begins with. A host of a team's own tells nothing."""


class Issuer(NamedTuple):
    """forms: of JwtIssuer, with a {place} for each thing to ask. The first is the usual one.

    asks: each place and the question for it. audience: the form of JwtAudience, or "" if only the team knows it.
    audience_is: what JwtAudience must hold. send: which token. claims: RequiredClaims that keep guests out.
    traps: what goes wrong most often.
    """

    title: str
    forms: tuple[str, ...] = ()
    asks: dict[str, str] = {}  # noqa: RUF012 - a default, which nobody changes
    audience: str = ""
    audience_is: str = "the aud claim of the tokens"
    send: str = "the token whose aud claim is in JwtAudience"
    claims: str = ""
    traps: tuple[str, ...] = ()

    def places(self, url: str) -> dict[str, str] | None:
        """What stands in each place of a JwtIssuer, or None if it is not of this issuer."""
        for form in self.forms:
            if found := re.fullmatch(_pattern(form), url):
                return found.groupdict()
        return None

    def usual_audience(self, url: str) -> str:
        """The JwtAudience that goes with a JwtIssuer. Empty if only the team knows it."""
        return self.audience.format(**(self.places(url) or dict.fromkeys(self.asks, "")))


ISSUERS = {
    "cognito": Issuer(
        title="Amazon Cognito user pool",
        forms=(
            "https://cognito-idp.{region}.amazonaws.com/{pool}",
            "https://issuer-cognito-idp.{region}.amazonaws.com/{pool}",
        ),
        asks={
            "region": "Region of the user pool, such as eu-west-1",
            "pool": "User pool ID, such as eu-west-1_AbCdEfGhI",
        },
        audience_is="every app client ID, those of machine clients too",
        send="the access token (it has client_id and no aud) or the ID token (it has aud). Both pass",
        traps=(
            "An access token has no email_verified, unless a pre-token trigger (V2) adds it.",
            "A token that was requested with `resource` has that URL as its aud: list the URL too.",
            "Never take https://cognito-identity.amazonaws.com as the issuer: it signs guests in.",
        ),
    ),
    "firebase": Issuer(
        title="Firebase Authentication",
        forms=("https://securetoken.google.com/{project}",),
        asks={"project": "Project ID, as in the project's settings (not its name or number)"},
        audience="{project}",
        audience_is="the project ID",
        send="the ID token (getIdToken)",
        claims="email_verified=true",
        traps=(
            "email_verified=true also refuses users who sign in by telephone: empty it if you have such users and no guests.",
            "Google's own ID token is not Firebase's: exchange it first (signInWithCredential).",
        ),
    ),
    "auth0": Issuer(
        title="Auth0",
        forms=("https://{domain}/",),
        asks={"domain": "Domain, such as my-team.eu.auth0.com or your custom domain"},
        audience_is="the Identifier of the API that you made at Auth0",
        send="the access token, requested with `audience` = that Identifier",
        traps=(
            "The slash at the end belongs to the issuer.",
            "Without `audience` in the sign-in request the access token is opaque, and API Gateway refuses it.",
        ),
    ),
    "clerk": Issuer(
        title="Clerk",
        forms=("https://{domain}",),
        asks={"domain": "Frontend API host, such as clerk.example.com or x.clerk.accounts.dev"},
        audience_is="the value that you give `aud` in your JWT template",
        send="a token of a JWT template that sets `aud` (getToken({template: ...}))",
        traps=('A plain session token has no aud: make a JWT template, and give it {"aud": "..."}.',),
    ),
    "entra": Issuer(
        title="Microsoft Entra ID",
        forms=("https://login.microsoftonline.com/{tenant}/v2.0", "https://sts.windows.net/{tenant}/"),
        asks={"tenant": "Directory (tenant) ID, a GUID"},
        audience_is="the client ID of your API; for v1 tokens also api://<client ID>. List both",
        send="the access token for your own API, not for Microsoft Graph",
        traps=(
            "requestedAccessTokenVersion of the API decides: 2 gives this issuer, else it is https://sts.windows.net/<tenant>/.",
            "`common` and `organizations` cannot be used: their tokens name another issuer.",
        ),
    ),
    "supabase": Issuer(
        title="Supabase",
        forms=("https://{ref}.supabase.co/auth/v1",),
        asks={"ref": "Project ref, as in https://<ref>.supabase.co"},
        audience="authenticated",
        audience_is="authenticated",
        send="the session's access_token",
        claims="is_anonymous=false",
        traps=(
            "API Gateway refuses ES256 and HS256: create an RSA key at Supabase (JWT signing keys) and rotate to it.",
        ),
    ),
    "other": Issuer(
        title="another OpenID Connect issuer",
        traps=("JwtIssuer must equal the tokens' iss claim to the letter: decode one.",),
    ),
}


def known(url: str) -> str:
    """The issuer of a JwtIssuer, as a key of ISSUERS. Empty for no URL."""
    if not url:
        return ""
    return next((key for key, host in HOSTS.items() if re.match(f"https://{host}", url)), "other")


def _pattern(form: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(form))
