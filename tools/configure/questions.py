"""The questions of `make configure`: the Region, the vendors, who signs users in, and what the chosen vendors need."""

from local import discovery
from tools import hidden
from tools.configure.issuers import ISSUERS, Issuer, known
from tools.configure.regions import require_region
from tools.configure.rules import AnswerError, Group, Rules
from tools.configure.terminal import ask, ask_whether, head, say
from tools.token_check import RefusedError, check

SIGN_IN = ("JwtIssuer", "JwtAudience", "RequiredClaims")
"""The parameters about which the issuers differ."""


class Questions:
    """answers: those of an earlier run, which are the defaults. They change with each question."""

    def __init__(self, rules: Rules, answers: dict[str, str]) -> None:
        self._rules, self.answers = rules, answers

    def ask_all(self) -> None:
        """Raises EOFError at the end of the input."""
        self._ask_vendors()
        self._ask_sign_in()
        for group in self._rules.groups:
            if not group.switch or self.answers[group.switch] == "true":
                self._ask_group(group)
            if "JwtIssuer" in group.names:
                self._try_token()

    def _ask_vendors(self) -> None:
        """One question for all switches."""
        vendors = self._rules.vendors
        before = self._rules.deployed(self.answers)

        def choose(answer: str) -> None:
            chosen = answer.lower().replace(",", " ").split()
            if unknown := [name for name in chosen if name not in vendors]:
                raise AnswerError(f"There is no vendor {', '.join(unknown)}. There are: {', '.join(vendors)}")
            self.answers |= {group.switch: str(name in chosen).lower() for name, group in vendors.items()}
            self._rules.check_together(self.answers, next(iter(vendors.values())).switch)

        head(f"The vendors that clients get credentials for, of: {', '.join(vendors)}.")
        ask("Vendors, separated by commas", ",".join(before), choose)

    def _ask_sign_in(self) -> None:
        before = self.answers.get("JwtIssuer", "")
        key = _ask_who(known(before))
        issuer = ISSUERS[key]
        for line in (f"Send {issuer.send}.", *issuer.traps):
            say(line, "  ")
        self._ask_issuer("" if key == known(before) else _filled(issuer))
        same = self.answers["JwtIssuer"] == before
        head(f"JwtAudience: {issuer.audience_is}. Separate several with commas.")
        self._ask("JwtAudience", issuer.usual_audience(self.answers["JwtIssuer"]), keep=same)
        self._explain("RequiredClaims")
        self._ask("RequiredClaims", issuer.claims, keep=same)

    def _ask_issuer(self, default: str) -> None:
        """Until its keys can be read, or the team keeps it all the same."""
        self._explain("JwtIssuer")
        self._ask("JwtIssuer", default, keep=not default)
        try:
            found = discovery.keys(self.answers["JwtIssuer"])
        except discovery.IssuerError as error:
            say(f"{error}. API Gateway would refuse every token, and the deploy would fail.", "  ")
            if not ask_whether("Keep this issuer all the same?"):
                self._ask_issuer("")
        else:
            say(f"The issuer answers, with {len(found)} RSA key{'s' if len(found) > 1 else ''}.", "  ")

    def _try_token(self) -> None:
        """A token is neither shown nor kept."""
        head("Paste a token of a signed-in user, to see whether it would pass. Enter leaves this out.")
        while token := hidden.line("Token (not shown): "):
            try:
                say(str(check(token, self.answers)), "  ")
            except RefusedError as error:
                say(f"It would be refused, {error}.", "  ")
            say("Paste another one, or press Enter.", "  ")

    def _ask_group(self, group: Group) -> None:
        """What only the team knows. The rest has defaults that work, so it is asked on request."""
        wanted = [name for name in group.names if name not in SIGN_IN]
        first = [name for name in wanted if self._rules.only_the_team_knows(name)]
        rest = [name for name in wanted if name not in first]
        head(f"{group.title}")
        for name in first:
            self._explain(name)
            self._ask(name)
        if not rest:
            return
        head(f"These have values already: {', '.join(f'{name}={self._value(name)}' for name in rest)}.")
        if ask_whether("Change any of them?"):
            for name in rest:
                self._explain(name)
                self._ask(name)

    def _explain(self, name: str) -> None:
        reason = self._rules.reason(name)
        head(f"{name}: {reason}{'' if reason.endswith('.') else '.'}")

    def _ask(self, name: str, default: str = "", *, keep: bool = True) -> None:
        """keep: whether an earlier answer is a better default than the given one."""
        before = self.answers.get(name) if keep else None
        usual = before if before is not None else default or self._rules.default(name)

        def accept(answer: str) -> None:
            self._rules.check(name, answer)
            self._rules.check_together({**self.answers, name: answer}, name)

        self.answers[name] = ask(name, usual, accept)

    def _value(self, name: str) -> str:
        return self.answers.get(name, self._rules.default(name))


def _ask_who(before: str) -> str:
    """The key of an issuer, by its name or its number."""
    head("Who signs your users in?")
    numbered = {str(number): key for number, key in enumerate(ISSUERS, 1)}
    for number, key in numbered.items():
        say(f"{number}  {key}: {ISSUERS[key].title}", "  ")

    def require_known(answer: str) -> None:
        if numbered.get(answer, answer.lower()) not in ISSUERS:
            raise AnswerError(f"Answer one of {', '.join(ISSUERS)}, or its number")

    answer = ask("Number or name", before, require_known)
    return numbered.get(answer, answer.lower())


def _filled(issuer: Issuer) -> str:
    """The usual JwtIssuer, from what the issuer shows in its console. Empty if it has no form of its own."""
    places = {place: ask(question, "", _require_word) for place, question in issuer.asks.items()}
    return issuer.forms[0].format(**places) if issuer.forms else ""


def ask_region(before: str) -> str:
    """Only for a stage that samconfig.toml does not have."""
    head("The AWS Region of the stack.")
    return ask("Region", before, require_region)


def _require_word(answer: str) -> None:
    if not answer or any(character.isspace() or character in "/{}" for character in answer):
        raise AnswerError("Answer one word, without spaces or slashes")
