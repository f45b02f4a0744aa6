"""What makes a sentence of a person's message worth keeping: a few rules for each of seven classes (contract notebook).

A rule looks at one sentence, in which what stands between quotation marks has been blanked: what is quoted is not said.
Words that by themselves say nothing ("continue", "actually", "no") are in no rule.
"""

import re

CORRECTION, DECISION, ARCHITECTURE = "correction", "decision", "architecture"
PROHIBITION, PREFERENCE, PRIORITY, VALUE = "prohibition", "preference", "priority", "value"
KINDS = (CORRECTION, DECISION, ARCHITECTURE, PROHIBITION, PREFERENCE, PRIORITY, VALUE)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


# What begins a sentence without changing what it says.
_LEAD = (
    r"^(?:(?:please|also|and|but|so|then|now|ok(?:ay)?|alright|right|fine|good|yes|well|look|sorry|in general|for now"
    r"|from now on|going forward|whatever you do|remember|note)[,:.!]? )*"
)
_LASTING = (
    r"\b(?:from now on|going forward|in (?:the )?future|(?:every|each) time|whenever|always|in general|by default"
    r"|everywhere|at all times)\b"
)
# A word that looks like a name, a number, an address, a path, a key.
_NAMED = (
    r"[\"'`]?(?:https?://\S+|[\w.+-]+@[\w-]+\.\w+|(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?|~?(?:/[\w.-]+)+|\w+(?:[_/]\w+)+"
    r"|#[\w-]+|[a-z]{2,}-\w+-\w+|[0-9a-f]{7,40}\b|\+?\d[\w.:,/-]*|v\d[\w.]*|(?-i:[A-Z][\w/&.-]*))"
)
_COUNTED = (
    r"(?! ?(?:min|sec|hour|day|week|month|year|time|row|line|test|file|percent|page|error|of\b|to \d|person|step))"
)
_IS = r"(?:is|are|was|=|runs?|lives?|starts?|ends?|goes|listens?|uses?|has|changed)"
_TECHNICAL = (
    r"\b(?:apis?|layers?|(?:front|back) ?end|services?|modules?|plugins?|parser|workers?|scheduler|daemon|gateway"
    r"|caches?"
    r"|queue|bus|clients?|databases?|store|repositor(?:y|ies)|monolith|sync|views?|search|app|configuration|state"
    r"|imports?|importer|migrations?|tables?|components?|uploads?|images?|browser|library|core|domain|events?|schema"
    r"|server)\b"
)

# Thinking aloud, telling of others, asking for something once: nothing of that lasts.
_PASSING = _any(
    r"^(?:if|suppose|imagine|assuming|maybe|perhaps|possibly|what if|according to|not sure|no idea|i wonder)\b",
    r"^i(?:'m| am) not sure|^i (?:don'?t|do not|didn'?t) (?:know|see|understand|need|mind|think|have|remember|get)\b",
    r"^(?:we|you|one|it) (?:could|might|may want)\b|^i think (?:so|we are|it is|it's|that's)\b",
    r"\b(?:haven'?t|have not|hasn'?t|not|no) (?:yet )?(?:decided|decision)\b",
    r"^(?:please )?(?:remind|tell|ask|show|explain|describe|summari[sz]e|compare|list|look|read|open|find|search"
    r"|check|draft"
    r"|translate|print|try|run|test|debug|implement|create|add|sort|rename|convert|rewrite|send|deploy|fix|proceed"
    rf"|write (?:an? |the ))\b(?!.*(?:{_LASTING}|\brather than\b|\bas if\b|\bi (?:like|prefer)\b))",
    r"\b(?:docs?|readme|error|message|log|he|she|they|user|linter|manual|customer|story) (?:says?|sees?|asks?|thinks?"
    r"|complains?)\b",
)

_RULES: dict[str, re.Pattern[str]] = {
    CORRECTION: _any(
        r"^(?:sorry,? )?(?:no+|nope|nah|wrong|not quite|correction|stop|wait)\b[,.:;! -]+(?=(?:\S+ ){3})",
        rf"{_LEAD}(?:that|this|it)(?:'s| is| was| isn'?t)(?: \w+)? (?:wrong|incorrect|false|misleading|not (?:what"
        rf"|how))\b",
        r"(?:^|[,;:.!] )you (?:mis\w+|forgot|missed|got|broke|made|wrote|put|took|used|were supposed|keep \w+ing"
        r"|(?!asked|mentioned|suggested|decided|created|need)\w+ed)\b",
        r"\bi (?:meant|said|asked for|told you|never said|was wrong (?:earlier|about))\b",
        r"\b(?:should|has to) (?:say|read|be|go)\b.*,? not\b|\bthe other way (?:round|around)\b|\bmixed up\b"
        r"|\bmisunderst\w+",
        r"\b(?:is|are|was|it'?s)\b.{2,60}(?:,| and| but) not (?:the |a |an |in |on |once |per |\d)"
        r"|\bnot the \S+, the\b",
        r"\bput (?:the \S+ \S+|it|them|that) back\b|\bwrong (?:file|table|branch|column|import|place|version"
        r"|customer)\b",
        r"\bdoesn'?t exist\b|\bis called \S+,? not\b|\bspell(?:ed)?\b.*\bwith\b",
    ),
    DECISION: _any(
        r"\b(?:we|i)(?:'ve| have)? (?:now )?(?:decided|agreed|settled|chose|choose|picked|opted)\b",
        r"\b(?:team|board|management|client|boss|committee) (?:decided|agreed|chose|approved|picked)\b",
        r"^(?:decision|decided|settled|agreed|final answer)\b[^.]*[:,]|\bmy decision is\b|\bmade up my mind\b"
        r"|\boption \w+ it is\b",
        rf"{_LEAD}let'?s (?:just |not |rather )?(?:go with|use|keep|drop|stick|stay|switch|make|do|call|name|build"
        rf"|move|cancel)\b",
        rf"{_LEAD}(?:we|i)(?:'ll| will|'re| are|'m| am)?(?: not)?(?: going to)? (?:go(?:ing)? (?:with|for)|take|stick"
        rf"|stay|keep"
        r"|ship|drop|dropping|switch|replace|merge|build|sunset|publish|buy|hire|postpone|release|renew\w*|cancel)\b",
        rf"\bwe won'?t (?:support|ship|build|use)\b|{_LEAD}(?:go with|take) (?:option|the (?:first|second|third|last"
        rf"|other))\b",
        r"\bthe plan is\b|^scrap the\b|\bso we (?:hire|take|buy|use|drop|keep|ship|move)\b",
    ),
    ARCHITECTURE: _any(
        rf"{_TECHNICAL}.*\b(?:only (?:through|render|ask|may)|never (?:push|write|go|call|touch)\w*|must not|on top of"
        r"|in front of|of (?:its|their) own|separate|depends? on|pure|in utc|nowhere else|comes? from|through the"
        r"|free of"
        r"|behind the|talks?|speaks? to|owns the)\b",
        r"\b(?:architecture|hexagonal|domain package|feature flags?|microservices?|grpc|event sourc\w+"
        r"|repository pattern"
        r"|message bus|event bus|write ahead)\b",
        r"\b(?:use|go with|switch|pick(?:ed)?|on|over)\b.*\b(?:postgres(?:ql)?|sqlite|mysql|redis|kafka|rabbitmq"
        r"|web ?sockets?|event queue|job queue|graphql|s3)\b",
    ),
    PROHIBITION: _any(
        rf"(?:{_LEAD}|[,;:] (?:please )?)(?:never|do not|don'?t|dont) (?:ever |under \w+ \w+ )?"
        r"(?!worry|you\b|know|think|bother|be sorry|mind|need|understand|see|hurry|forget|stop|want|have|work"
        r"|happen)[a-z]{3,}",
        r"\b(?:you|we|agent|nobody|one|it|they) (?:must|may|should|shall|can) (?:never|not)\b|\bmustn'?t\b"
        r"|\bcan'?t use\b",
        r"\b(?:is|are|it'?s) (?:forbidden|not allowed|off limits|prohibited|not ok(?:ay)? to)\b|\bwe don'?t (?:allow"
        r"|do)\b",
        r"\b(?:must|has to|have to) (?:keep|stay|remain) (?:working|compatible|as|the same)\b|\bi don'?t want any\b",
        r"\bunder no circumstances\b|\bhands off\b|\brefrain from\b|^(?:please )?avoid\b|^leave the \S+ \S+ alone\b",
        r"^(?:please )?stop (?:adding|using|writing|making|putting|changing|asking|calling|sending)\b",
        r"\bwithout (?:asking me|my (?:okay|ok|consent|approval))\b|\balways ask before\b",
    ),
    PREFERENCE: _any(
        r"\bi(?:'d| would)? (?:prefer|rather)\b|\bmy (?:preference|style|favou?rite)\b|^prefer \w+|\bi (?:hate"
        r"|can'?t stand)\b",
        r"\b(?:i|we) (?:really )?like (?:it when|our|my|to)\b|\bi (?:don'?t|do not) like\b|\bnot a fan of\b"
        r"|\bi never want\b",
        r"\bi want (?!to |you |a |this )|\b(?:easier|better) for me\b|\bhelps me\b|\bplease always\b|\b(?:i|we"
        r"|you) always\b",
        rf"^(?:please )?always (?!ask before)\w+|^{_LASTING},? \w+|^(?:please )?(?:use|write|put|keep|give"
        rf"|make)\b.*{_LASTING}",
        r"\bkeep (?:the |your |all )?(?:\w+ ){1,2}(?:brief|short|simple|small)\b|^(?:stick|default) to\b|^call me\b",
        r"^(?:please )?use (?:tabs|spaces|double|single|british|american|metric)\b|\bwe (?:name|write"
        r"|format) \w+ (?:after|as)\b",
    ),
    PRIORITY: _any(
        r"\b(?:top|highest|low|lowest|first) priority\b|\bprio(?:rity)? ?1\b|\bmy priorities\b|\bmost (?:important"
        r"|urgent)\b",
        r"\b(?:is|it'?s|this) (?:urgent|critical)\b|^urgent\b|^first,? (?:fix|do|finish|get|make)\b|\bcomes first\b",
        r"\b(?:can|has to|must) wait\b|\bon hold\b|\bbefore (?:anything|everything) else\b|^(?:focus|concentrate) on\b",
        r"\bmatters? (?:more|most)\b|\bdoesn'?t matter yet\b|\bwhat counts\b|\bnice to have\b|\bdeadline\b"
        r"|\bfor now, \b",
        r"\b(?:done|finished?|ready|work|works|shipped|live)\b.* (?:by|before) (?:the |mon|tue|wed|thu|fri|sat|sun"
        r"|we |next)",
        r"\bi need (?:this|it|that) (?:before|by|until|today)\b|\bhave to be ready\b|^postpone\b|\bdrop what\b",
    ),
    VALUE: _any(
        # The something is, lives at, or is called a name or a value.
        rf"{_LEAD}(?:my|our|his|her|their|the|this|it|a|an|\w+)?(?: ?(?!test|job|build|answer|page|output|error|line)"
        rf"(?:[\w'-]+ ){{0,5}}?[\w'-]+)? (?:{_IS}|called|tagged|named)(?: (?:now|at|to|on|in|under|by|the|region|port"
        rf"|branch"
        rf"|commit|called|named)){{0,3}} {_NAMED}{_COUNTED}(?![\w'])",
        r"\b(?:branch|commit|tag|channel|host|region|key|address|tenant|port|bucket|prefix|user(?: ?name)?)\s+(?:is "
        r"|called )?"
        r"[\"'`]?(?:\w+[-/_.@]\S+|#\w\S*|[0-9a-f]{7,40}\b|\d{2,}\b)",
        r"\b[A-Z][A-Z0-9_]{3,}=\S+|\bset [\w ]+ to \d+|\b\w+_\w+ (?:should be|is|=) \S+|\b(?:is|are) (?:called|named"
        r"|tagged)\b",
        r"\b(?:id|number|prefix|code|extension) (?:is|changed to) \S*\d|\b(?-i:[A-Z][a-z]+) is (?:the|our|my) \w+",
    ),
}


def says_something(sentence: str) -> bool:
    """Whether a sentence is more than thinking aloud, telling of others, or asking for something once."""
    return not _PASSING.search(sentence)


def kinds_of(sentence: str) -> list[str]:
    """The classes of a sentence by the rules, in the order of `KINDS`."""
    return [kind for kind in KINDS if _RULES[kind].search(sentence)]
