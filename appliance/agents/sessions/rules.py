"""What makes a sentence of a person's message worth keeping: rules of seven classes (contract notebook).

A rule looks at one sentence, in which what stands between quotation marks has been blanked: what is quoted is not said.
Words that by themselves say nothing ("continue", "actually", "no") are in no rule.
"""

import re

CORRECTION, DECISION, ARCHITECTURE = "correction", "decision", "architecture"
PROHIBITION, PREFERENCE, PRIORITY, VALUE = "prohibition", "preference", "priority", "value"
KINDS = (CORRECTION, DECISION, ARCHITECTURE, PROHIBITION, PREFERENCE, PRIORITY, VALUE)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_BE = r"(?:is|are|was|were|has to be|have to be|should be|must be|stays?)"
_LATER = r"(?:from now on|going forward|in future|every time|each time|whenever|always|in general)"

# Thinking aloud, telling of others, asking for something once: nothing of that lasts.
PASSING = _any(
    r"^(?:if|suppose|imagine|assuming|maybe|perhaps|possibly|what if|one option|another option)\b",
    r"^(?:i wonder|i(?:'m| am) not sure|not sure|i (?:don'?t|do not) (?:know|see|understand|need|mind)|no idea)\b",
    r"^(?:we|you|one|it) (?:could|might|may want)\b",
    r"^i think (?:so|we are|it is|it's|that's)\b",
    r"\b(?:haven'?t|have not|not|no) (?:yet )?(?:decided|decision)\b|\bdecision is pending\b",
    r"^(?:remind|tell|ask|show|give|explain|describe|summari[sz]e|compare|list|look|read|open|find|search|check|draft"
    r"|translate|print|try|run|rerun|test|debug|implement|create|add|sort|rename|write (?:a|an|the)?"
    r" ?(?:test|check|regex|function|story|poem|mail|script|rule|query|class|method|program|text|summary|letter))\b"
    rf"(?!.*\b(?:{_LATER}|rather than)\b)",
    r"^please (?:run|add|write a|show|check|find|look|fix|undo the|proceed|explain|rename)\b"
    rf"(?!.*\b{_LATER}\b)",
    r"\b(?:docs?|readme|error|message|traceback|log|he|she|they|user) (?:says?|said|sees?|saw|prints?|asks?|asked)\b",
)

_RULES: dict[str, re.Pattern[str]] = {
    CORRECTION: _any(
        # No, and then what is right; what only answers or thanks is no correction.
        r"^(?:sorry,? )?(?:hmm?,? )?(?:no|nope|nah|wrong|not quite|correction|stop|wait)\b[,.:;!]*(?: no,?| hmm,?)?[,.:;! -]+"
        r"(?!(?:it'?s |that'?s |this is |i'?m |i |not yet|not now|thanks?|problem|worries|need\b|idea|wait|what|difference"
        r"|the tests? ha|the build is|please\b|never ?mind|more than|force|mocks?|one\b|the server\b|after\b|all good))"
        r"(?=(?:\S+ ){2}\S)",
        r"^(?:that|this|it)(?:'s| is| was)(?: not| n't)? (?:wrong|incorrect|what i|how (?:our|we|it|i)|right\b.*\w{4})",
        r"^(?:that|this|it)(?:'s| is) (?:wrong|incorrect)\b|^(?:that|this) (?:assumption )?(?:isn'?t|is not|is false)\b",
        r"\bthat'?s not (?:what|how|right|correct|the|where)\b",
        r"\byou (?:\w+ )?(?:mis(?:read|understood|took|interpreted)|forgot|missed|mixed|confused|swapped|broke|ignored"
        r"|removed the wrong|made it|keep (?:calling|using|doing|writing|adding)|were supposed|assumed|answered)\b",
        r"\byour \w+ (?:checks?|does|is|was|has|uses|calls?)\b.*\b(?:wrong|not|never|instead)\b",
        r"\bi (?:meant|said|asked for|told you)\b",
        r"\b(?:should|has to|must) (?:say|read|be|have been|go)\b.*,? not\b",
        r"^actually,? (?:the|we|it|our|my|there|they|you|that) ?(?!.*\b(?:fine|good|ok|okay|right)\b)(?:\S+ ){2}",
        r"\b(?:is|are|was|it'?s|there|user|the)\b.{2,60}(?:,| and| but) not (?:the |a |an |as |per |\d|\w+[/.])",
        r"\bnot the \S+, (?:but )?the\b|\bthe other way (?:round|around)\b",
        r"\b(?:undo|revert) (?:that|this|it)\b.{8,}|\bput (?:the \S+ \S+|it|them|that) back\b",
        r"\b(?:is|are|was) (?:off|wrong)\b.*|\bwrong (?:file|table|branch|column|import|thing|place|one|version|folder)\b",
        r"\bdoesn'?t exist\b|\bis called \S+,? not\b|\b(?:correct|corrected) myself\b|\bi was wrong (?:earlier|about)\b",
    ),
    DECISION: _any(
        r"\b(?:we|i)(?:'ve| have)? (?:have )?(?:now )?(?:decided|agreed|settled|chose|choose|picked|opted)\b",
        r"\b(?:team|board|management|client|customer|boss) (?:decided|agreed|chose|approved|picked)\b",
        r"\b(?:decision|decided|settled|final answer|agreed)\b(?: then)?[:,]|\bmy decision is\b|\bmade up my mind\b",
        r"^(?:\w+[,.]? |then |ok so |after .{3,40}: )*(?:let'?s|let us|we'?ll|we will|we(?:'re| are) going to"
        r"|i'?m going|we|i'?ll) (?:not )?(?:now )?(?:go (?:with|for)|going with|take|stick (?:with|to)|stay (?:on|with)"
        r"|keep\b|ship|drop|use|switch|move|merge|call|name|do the|build|sunset|publish|buy|hire|store|settle)\b"
        r"(?! (?:a )?(?:look|going|going)\b)",
        r"^we(?:'re| are) (?:dropping|keeping|moving|switching|sunsetting|going (?:with|for)|staying|buying|hiring)\b",
        r"\bi'?m going with\b|^(?:yes,? )?(?:go with|take) (?:option|the (?:first|second|third|last|other|cheaper))\b",
        r"\blet'?s not (?:do|use|build|go|ship)\b|\blet'?s do that\b|^scrap the\b|\bthe plan is\b",
        r"\b(?:from now on|going forward)\b.*\b(?:is|are|needs?|will|has|have)\b",
        r"\bso we (?:hire|take|buy|use|drop|keep|ship|move)\b",
    ),
    ARCHITECTURE: _any(
        r"\b(?:api|layer|front ?end|back ?end|service|services|module|modules|plugin|plugins|parser|worker|workers"
        r"|scheduler|daemon|gateway|cache|queue|event bus|client|clients|database|store|repository|monolith|sync|views?"
        r"|search|app|configuration|state|importer|migrations?|passwords?|times|money|table|components?|uploads?)\b"
        r".*\b(?:only|never|must|through|on top of|in front of|of its own|of their own|separate|per customer|own(?:s|er)?"
        r"|depends?|pull based|push|pure|everywhere|nowhere else|comes? from|by version|not in|library|outside"
        r"|tenant column|plain html|from the openapi|bucket|talks?)\b(?!.*\bsend mails)",
        r"\b(?:architecture|hexagonal|domain package|feature flags?|event bus|async\b.*\bsynchron|microservices?|monolith"
        r"|grpc|message (?:bus|queue)|event sourc\w+|stored in utc|integer cents|by feature|owns the)\b",
        r"\b(?:use|using|go with|switch(?: from)?|pick(?:ed)?|on|with|over)\b.*\b(?:postgres(?:ql)?|sqlite|mysql|redis|kafka"
        r"|rabbitmq|litestream|web ?sockets?|event queue|job queue|queue between|grpc|graphql|s3)\b",
        r"\btwo separate services\b|\bone database per\b|\bits own gateway\b",
    ),
    PROHIBITION: _any(
        r"^(?:\w+,? |and |also |please |so |but |you should |the agent (?:must|should) |from now on,? )*"
        r"(?:never|do not|don'?t) (?:ever |under \w+ \w+ |even )?"
        r"(?!worry|you|know|think|bother|be sorry|mind|need|understand|see|hurry|forget|guess\b.{0,3}$|want)[a-z]{3,}",
        r"\b(?:must|may|should|shall|can|could) (?:never|not)\b (?!say|be empty)|\bmustn'?t\b|\b(?:we|you) can'?t use\b",
        r"\b(?:there|this|nothing|nobody|no one)\b.*\b(?:must be no|must stay|may appear|is allowed|may)\b",
        r"\b(?:is|are) (?:forbidden|not allowed|off limits|prohibited)\b|\bforbidden to\b|\bwe don'?t allow\b",
        r"\bunder no circumstances\b|\bhands off\b|\brefrain from\b|^(?:please )?avoid\b",
        r"^(?:please )?stop (?:adding|using|writing|committing|making|putting|changing|asking|doing|calling|sending)\b",
        r"^no (?:more than|mocks?|force|new|inline|emojis?|globals?|direct|cookies?)\b|^leave the \S+ \S+ (?:alone|as)\b",
        r"\balways ask before\b|\bwithout (?:asking me|my (?:okay|ok|consent|approval))\b|^no [a-z ]{4,40}\bplease\b",
    ),
    PREFERENCE: _any(
        r"\bi(?:'d| would)? (?:prefer|rather)\b(?! not to say)|\bmy (?:preference|style)\b|^prefer \w+",
        r"\b(?:i|we) (?:really )?like (?:it when|our|my|to|short|long|the \w+ (?:to|in))\b|\bi hate\b|\bi can'?t stand\b",
        r"\bi (?:don'?t|do not) like\b|\bnot a fan of\b|\bi never want\b|\bi find (?:it|that|this) \w+ing\b",
        r"\bi (?:want|would like|need) (?!to |you |a )(?:[\w' ]+ )?(?:in|spelling|texts?|names?|palette|everywhere|short)\b",
        r"\bfor \w+ i want\b|\beasier for me\b|\bbetter for me\b|\bi usually\b",
        r"^(?:please )?(?:and )?(?:make sure (?:you|to) )?always (?!ask before)\w+|\b(?:i|we|you) always\b|\bplease always\b",
        rf"^(?:{_LATER}|when you|for \w+)\b,? .*\b(?:i|me|please|give|put|tell|update|recommend|use|write|want)\b",
        r"\b(?:please|use|write|put|format|keep)\b.*\b(?:from now on|everywhere|in general|at all times)\b",
        r"^(?:please )?use (?:tabs|spaces|double|single|\w+ quotes|british|american|metric|camel|snake)\b",
        r"^(?:please )?keep (?:the |your )?(?:\w+ ){1,2}(?:brief|short|simple|small|terse|concise)\b",
        r"^(?:stick|default) to\b|^call me\b|\bwe name \w+ after\b|^we (?:always|usually|prefer|like)\b",
    ),
    PRIORITY: _any(
        r"\b(?:top|highest|high|low|lowest|first) priority\b|\bprio(?:rity)? ?(?:1|one)\b|\bmy priorit(?:y|ies)\b",
        r"\b(?:most important|urgent|critical|asap|time critical)\b(?!.*\brule of\b)|^first,? (?:fix|do|finish|get|make|the)\b",
        r"\b(?:can|has to|may|must) wait\b|\bon hold\b|\bcomes first\b|\bbefore (?:anything|everything) else\b",
        r"\bfocus on\b|^concentrate on\b|\bdrop (?:what|everything)\b|^(?:postpone|park|forget|defer|leave) (?:the|about)\b"
        r".*\b(?:for now|first|until|next|later|counts|what)\b|^postpone\b|^park the\b",
        r"\b(?:done|finished?|ready|work|works|shipped|live|out)\b.* (?:by|before|on) (?:the |mon|tue|wed|thu|fri|sat|sun|we |next)",
        r"\bmatters? (?:more|most)\b|\bdoesn'?t matter (?:yet|now)\b|\bcare (?:most )?about\b|\bwhat counts\b|\bis what counts\b",
        r"\bdon'?t bother with\b|\bnice to have\b|\bdeadline\b|\bnext up\b|\bfirst thing to do\b|\bfirst and leave\b",
        r"\b(?:finish|do) the .* (?:before|first)\b",
    ),
    VALUE: _any(
        # A name or a value that is said to be one.
        r"\b(?:is|are|was|=|at|to|on|as|it'?s|called|named|use|uses|branch|commit|key|id|host|region|tag(?:ged)?|port)\s+"
        r"(?:the )?(?:\w+ )?[\"'`]?(?:https?://\S+|[\w.+-]+@[\w-]+\.\w+|\d{1,3}(?:\.\d{1,3}){3}|(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?"
        r"|~?/[\w./-]+|[a-z]\w*(?:[_/]\w+)+|[A-Z][A-Z0-9]*-[\w-]*\d*|v\d[\w.]*|[0-9a-f]{7,40}\b|#[\w-]+|\w+-\w*\d[\w-]*"
        r"|[a-z]+(?:-[a-z]+)+-\w+|\d[\w.:-]*\d\b(?! (?:of|times|percent of))|10\.\d+/\S+|[A-Z][a-z]+/[A-Z][a-z]+|\d{2,})",
        r"\b[A-Z][A-Z0-9_]{3,}=\S+|\bset (?:the )?[\w ]+ to \d+|\b\w+_\w+ (?:should be|is|=) \S+",
        r"\b(?:is|are) (?:called|named|tagged)\b|\bname is\b|\bwe call (?:the|it|this|our)\b|\bname the new\b",
        r"\b(?:project|account|ticket|order|customer|invoice|phone|extension|serial|tenant)\b[\w ]*"
        r"(?:id|number|prefix|code|extension|name)\b[\w ]*\bis\b",
        r"\b(?:log level|time ?zone|region|port|host|address|branch|bucket|user|password policy|contact(?: person)?|vat)\b"
        r"[\w ]* is [A-Z0-9]\S*",
        r"\b[A-Z][a-z]+ is (?:the|our|my) (?:new )?[\w ]*(?:owner|lead|contact|manager|designer|boss|client|customer)\b",
        r"\b(?:customer|contact|designer|boss|client) is [A-Z]\w+|\bextension \d+|\bwe run on [A-Z]\w+ \d",
    ),
}


def kinds_of(sentence: str) -> list[str]:
    """The classes of a sentence, in the order of `KINDS`; none for what passes."""
    if PASSING.search(sentence):
        return []
    return [kind for kind in KINDS if _RULES[kind].search(sentence)]
