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


# What begins a sentence without changing what it says.
_LEAD = (
    r"^(?:(?:please|also|and|but|so|then|now|ok(?:ay)?|alright|right|fine|good|yes|well|look|careful|sorry|btw|fyi|hey"
    r"|in general|from now on|going forward|whatever you do|for now|this time|until \w+|i said|remember|note)[,:.!]? )*"
)
_LASTING = (
    r"\b(?:from now on|going forward|in (?:the )?future|(?:every|each) time|whenever|always|in general|by default"
    r"|everywhere|at all times)\b"
)
# A word that looks like somebody's name, a number, an address, a path, a key.
_NAMED = (
    r"(?:[\"'`]?(?:https?://\S+|[\w.+-]+@[\w-]+\.\w+|(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?|~?(?:/[\w.-]+)+|\w+(?:[_/]\w+)+"
    r"|[a-z]\.[a-z]{3,}|#[\w-]+|[a-z]+(?:-[a-z]+){1,3}-?\w*\d*\b(?<=\d)|[a-z]{2,}-\w+-\w+|[0-9a-f]{7,40}\b"
    r"|\+?\d[\w.:,/-]*"
    r"|(?-i:[A-Z][\w/&.-]*)|v\d[\w.]*))"
)
_COUNTED = (
    r"(?! ?(?:min|sec|hour|day|week|month|year|time|row|line|test|file|percent|page|error|item|thing|of\b|to \d|attempt"
    r"|second|more|person|people|user|request|call|step))"
)
_IS = r"(?:is|are|was|were|=|runs?|lives?|starts?|ends?|begins?|goes|go|listens?|stands?|uses?|has|have|changed)"
_NOUN = r"(?:[\w'-]+ ){0,5}?[\w'-]+"

# Thinking aloud, telling of others, asking for something once: nothing of that lasts.
PASSING = _any(
    r"^(?:if|suppose|imagine|assuming|maybe|perhaps|possibly|what if|one option|another option|according to)\b",
    r"^(?:i wonder|i(?:'m| am) not (?:sure|a \w+,)|not sure|i can'?t decide|i have no|no idea|both are|either)\b",
    r"^i (?:don'?t|do not|didn'?t) (?:know|see|understand|need|mind|think|have|remember|get|believe)\b",
    r"^(?:we|you|one|it) (?:could|might|may want|would be nice)\b|^i think (?:so|we are|it is|it's|that's)\b",
    r"\b(?:haven'?t|have not|hasn'?t|not|no|nobody has) (?:yet )?(?:decided|decision)\b|\bdecision (?:is pending|of)\b",
    r"^(?:please )?(?:remind|tell|ask|show|explain|describe|summari[sz]e|compare|list|look|read|open|find|search|check"
    r"|draft|translate|print|try|run|rerun|test|debug|implement|create|add|sort|rename|convert|rewrite|rebase|send"
    r"|deploy"
    r"|have a look|see|take (?:a|your|the first)|move on|use (?:a|the same|grep|the search)|give me (?:a|three|ten"
    r"|\d)|name the file"
    r"|call the|put a|leave a|keep the window|make (?:the|a)|write (?:an? |the )?"
    r"(?:test|unit|check|regex|function|story|poem|mail|script|rule|query|class|method|program|text|summary|letter"
    r"|dialogue"
    rf"|short))\b(?!.*(?:{_LASTING}|\brather than\b|\bas if\b|\bi (?:like|prefer)\b|\bas you can\b|\bout of it\b))",
    r"^(?:please )?(?:proceed|fix the|undo the last)\b",
    r"\b(?:docs?|readme|error|messages?|traceback|log|he|she|they|user|linter|manual|colleague|customer|story|warning)"
    r" (?:says?|said|sees?|saw|prints?|asks?|asked|thinks?|complains?|called|begins)\b|^warning:",
    r"\b(?:haha|joke)\b|^i (?:love|like) (?:it|this|that|where)\b(?! when)|^(?:it|this|that) (?:must|should) (?:be"
    r"|work) ",
    r"\b(?:that|you)(?:'s| are| were)? right\b(?! [a-z]+ \w+ \w+ not)|\bit works now\b|^you forgot nothing\b",
)

_RULES: dict[str, re.Pattern[str]] = {
    CORRECTION: _any(
        # No, and then what is right; what only answers or thanks is no correction.
        r"^(?:sorry,? )?(?:hmm?,? )?(?:no+|nope|nah|wrong|not quite|almost|correction|stop|wait|careful)\b[,.:;!]*"
        r"(?: no,?| hmm,?| but)?[,.:;! -]+(?!(?:it'?s (?:fine|ok)|that'?s (?:fine|ok|not a|all)|i'?m|i haven|i do"
        r"|i was|not"
        r"|thanks?|problem|worries|rush|need|idea|wait|what|window|difference|complaints?|questions?|the tests? ha"
        r"|the build is"
        r"|please|never ?mind|more|force|mocks?|customer|one |single|after|all good|now|here|the server"
        r"|the password)\b)"
        r"(?=(?:\S+ ){2}\S)",
        rf"{_LEAD}(?:that|this|it|which)(?:'s| is| was|(?: \w+)? isn'?t| is not)(?: \w+)?"
        r" (?:wrong|incorrect|false|misleading|not what|what i (?:asked|meant)|not how|a bug|the (?:wrong|old"
        r"|\w+ database))\b",
        r"\bthat'?s not (?:what|how|correct|the|where)\b|\b(?:assumption|number|sum|result)\b.*\b(?:is false"
        r"|can'?t be right)\b",
        r"(?:^|[,;:.!] |think )you (?:keep |were supposed|have |always )?(?:mis\w+|forgot|missed|got|broke|made|wrote"
        r"|put"
        r"|took|left out|used|did|answered|assumed|(?!asked|mentioned|suggested|proposed|decided|created|need)\w+ed"
        r"|keep \w+ing)\b",
        r"\byour (?!summary|answer|judgement|time)\w+ (?:\w+ )?(?:checks?|does|is|was|has|uses|calls?|hides?|breaks?"
        r"|ignores?)\b",
        r"\bi (?:meant|said|asked for|told you|never said|was wrong (?:earlier|about)|(?:am|'m) talking about)\b",
        r"\b(?:should|has to|must) (?:say|read|be|have been|go|point)\b.*,? not\b|\bbut the \w+ has to\b",
        rf"^actually,? {_NOUN} (?:{_IS}|don'?t|doesn'?t|moved)\b(?!.*\b(?:fine|good|ok|okay|right"
        rf"|point)\b)(?: \S+){{2}}",
        r"\b(?:is|are|was|it'?s|there|user|from|had)\b.{2,60}(?:,| and| but) not (?:the |a |an |as |in |on |once "
        r"|per |\d|four)",
        r"\bnot the \S+, (?:but )?the\b|\bthe other way (?:round|around)\b|\bmixed up\b|\bmisunderst\w+\b"
        r"|\bfor no reason\b",
        r"\b(?:undo|revert) (?:that|this|it)\b.{8,}|\bput (?:the \S+ \S+|it|them|that) back\b",
        r"\b(?:is|are) off\b(?! by)|\bwrong (?:file|table|branch|column|import|thing|place|version|folder|customer"
        r"|person)\b",
        r"\b(?:paragraph|sentence|total|date|format|name|label) (?:is|was) (?:wrong|off|misleading|incorrect)\b",
        r"\bdoesn'?t exist\b|\bis called \S+,? not\b|\bcorrect(?:ed)? myself\b|\bspell(?:ed)?\b.*\bwith\b",
        r"\brather than (?:the|an?) \w+ i need\b|\btoo (?:greedy|\w+), it\b|\bis the old one\b",
    ),
    DECISION: _any(
        r"\b(?:we|i)(?:'ve| have)? (?:have )?(?:now )?(?:decided|agreed|settled|chose|choose|picked|opted)\b",
        r"\b(?:team|teams|board|management|client|boss|vote|lawyers) (?:\w+ )?(?:decided|agreed|chose|approved|picked"
        r"|signed off|was clear)\b",
        r"\b(?:decision|settled|final answer|agreed|so be it)\b(?: then)?[:,]|^decided:|\bmy decision is\b"
        r"|\bmade up my mind\b",
        rf"{_LEAD}(?:after .{{3,40}}: )?(?:let'?s|let us) (?!go!|see|try|look|run|continue|find|talk|check|start"
        rf"|think|hope|say"
        r"|wait|begin|discuss|debug|test|have (?:a|lunch)|move on|proceed|get|read|open|focus|put|leave|finish"
        r"|go (?:on|back|through))"
        r"(?:just |not |rather |also )?[a-z-]+",
        rf"{_LEAD}(?:after .{{3,40}}: |.{{3,30}} and )?(?:we|i)(?:'ll| will|'re| are|'m| am)?(?: not| now"
        rf"| both)?(?: going to)? "
        r"(?:go(?:ing)? (?:with|for)|take|stick|stay|keep|ship|drop|dropping|use kafka|switch|replace|merge|build"
        r"|sunset|publish"
        r"|buy|hire|store|settle|postpone|release|move the|moving to|cancel|renew\w*|adopt|freeze|launch|name"
        r"|call the new)\b"
        r"(?! (?:a )?(?:look|going)\b)(?! .*\b(?:see|find out)\b)",
        r"\bwe won'?t (?:support|ship|build|use|do|have)\b|\boption \w+ it is\b|\b(?:take|choose|accept) the (?:offer"
        r"|deal)\b",
        rf"{_LEAD}(?:go with|take) (?:option|the (?:first|second|third|last|other|cheaper) (?:variant|proposal|option"
        rf"|one|offer))\b",
        r"^scrap the\b|\bthe plan is\b|^ship it\b|\bconsider it decided\b|\bthen let'?s\b|\bcut-?over is\b",
        r"\b(?:from now on|going forward)\b,? (?:the|each|every|all) .*\b(?:is|are|needs?|will|has|have)\b",
        r"\bso we (?:hire|take|buy|use|drop|keep|ship|move)\b",
    ),
    ARCHITECTURE: _any(
        r"\b(?:apis?|layers?|front ?end|back ?end|services?|modules?|plugins?|parser|workers?|scheduler|daemon"
        r"|gateway|caches?"
        r"|queue|event bus|clients?|databases?|store|repository|repositories|monolith|sync|views?|search|mobile app"
        r"|configuration"
        r"|state|importer?|import|migrations?|passwords?|times|money|tables?|components?|uploads?|images?|browser"
        r"|library|core"
        r"|domain|events?|schema|server|billing module)\b"
        r".*\b(?:only (?:\w+ )?(?:through|render|ask|may|the)|never (?:push\w*|writes?|go|calls?|touch\w*)"
        r"|must (?:not )?(?:know|run|call|be pure)"
        r"|on top of|in front of|of (?:its|their) own|separate (?:from|index)|per customer|is the only"
        r"|the only writer|depends? on|pull based"
        r"|pure|as integer|in utc|nowhere else|comes? from|by version|not in a|as a batch|as a library|into a library"
        r"|outside (?:the|json)"
        r"|gets a tenant|plain html|openapi|through the|free of|behind the|talks?|speak to|forward only|owns the"
        r"|from the cdn)\b",
        r"\b(?:architecture|hexagonal|domain package|feature flags?|microservices?|integer cents|by feature"
        r"|outbox table"
        r"|grpc|event sourc\w+|stored in utc|repository pattern|pattern for|no sockets|write ahead"
        r"|in a schema of its own)\b",
        r"\basync\b.*\bsynchron|^only the \w+ (?:may|can|speaks?)\b|\bhave the client\b|\breplace the .* by an?\b",
        r"\b(?:use|using|go with|switch(?: from)?|pick(?:ed)?|on|with|over)\b.*\b(?:postgres(?:ql)?|sqlite|mysql"
        r"|redis|kafka"
        r"|rabbitmq|litestream|web ?sockets?|event queue|job queue|queue between|grpc|graphql|s3)\b",
        r"\btwo separate services\b|\bone database per\b|\bits own gateway\b",
    ),
    PROHIBITION: _any(
        rf"(?:{_LEAD}|[,;:] (?:so )?(?:please )?)(?:never|do not|don'?t|dont) (?:ever |under \w+ \w+ |even )?"
        r"(?!worry|you\b|know|think|bother|be sorry|mind|need|understand|see|hurry|forget|stop|want|have|get me|work"
        r"|worked|happen|say\b|ask why|guess\b.{0,3}$|gonna|ever mind|mind|give up|hesitate|start on)[a-z]{3,}",
        r"\b(?:you|we|agent|nobody|one|it|they|bot|assistant|script|library) (?:must|may|should|shall|can) (?:never"
        r"|not)\b"
        r"|\b(?:is|are) not to\b|\bmustn'?t\b|\b(?:we|you) can'?t use\b",
        r"\b(?:there|this|nothing|nobody|no one|not a single)\b.*\b(?:must be no|must stay|may (?:appear|change)"
        r"|is allowed)\b",
        r"\b(?:must|has to|have to) (?:keep|stay|remain) (?:working|compatible|as|the same|readable)\b",
        r"\b(?:is|are|it'?s) (?:forbidden|not allowed|off limits|prohibited|not ok(?:ay)? to)\b|\bforbidden to\b"
        r"|\bwe don'?t (?:allow|do)\b|\bnobody is allowed\b|\byou may not\b|\bi don'?t want (?:any|to see)\b",
        r"\bunder no circumstances\b|\bhands off\b|\brefrain from\b|^(?:please )?avoid\b|\bout of it, don'?t\b",
        r"^(?:please )?stop (?:adding|using|writing|committing|making|putting|changing|asking|doing|calling|sending)\b",
        r"^no (?!problem|worries|need|idea|rush|more questions|complaints|difference|decision|opinion"
        r"|news)(?:[a-z]+ ){0,3}?"
        r"(?:in|on|without|than|at|to|from|here|please|into|for)\b|^leave the \S+ \S+ (?:alone|as)\b|^no (?:mocks"
        r"|cookies)\b",
        r"\balways ask before\b|\bwithout (?:asking me|my (?:okay|ok|consent|approval))\b",
    ),
    PREFERENCE: _any(
        r"\bi(?:'d| would)? (?:prefer|rather)\b(?! not to say|\.\.\.|…)|\bmy (?:preference|style|favou?rite)\b"
        r"|^prefer \w+",
        r"\b(?:i|we) (?:really )?like (?:it when|our|my|to|short|long|the \w+ (?:to|in))\b|\bi (?:hate|can'?t stand)\b",
        r"\bi (?:don'?t|do not) like\b|\bnot a fan of\b|\bi never want\b|\bi find (?:it|that|this) \w+ing\b"
        r"|\bi'?m more of an?\b",
        r"\bi (?:want|would like|need) (?!to |you |a |this )(?:[\w' ]+ )?(?:in|spelling|texts?|names?|palette"
        r"|everywhere|short)\b",
        r"\bfor \w+ i want\b|\b(?:easier|better) for me\b|\b(?:it )?helps me\b|\bi (?:usually|read|work) (?:on"
        r"|in)\b.*,? so\b",
        r"^(?:please )?(?:and )?(?:make sure (?:you|to) )?always (?!ask before)\w+|\b(?:i|we|you) always\b"
        r"|\bplease always\b",
        rf"^(?:when you|for \w+)\b,? .*\b(?:i|me|please|give|put|tell|update|recommend|use|write|want)\b"
        rf"|^(?:{_LASTING}),? \w+",
        rf"\b(?:please|use|write|put|format|keep|answer|name|make|give|draw|commit|explain)\b.*(?:{_LASTING})",
        r"^(?:please )?use (?:tabs|spaces|double|single|\w+ quotes|british|american|metric|camel|snake|the formal)\b",
        r"\bkeep (?:the |your |all )?(?:\w+ ){1,2}(?:brief|short|simple|small|terse|concise)\b|\bsnake_case\b"
        r"|\bas if i were\b",
        r"^(?:stick|default) to\b|^call me\b|\bwe (?:name|write|format) \w+ (?:after|as|like)\b|^we (?:always|usually"
        r"|prefer|like)\b",
        r"^(?:commit|ask|report|tell me|draw|explain) .*\b(?:after every|each|when you can|i like)\b"
        r"|\bdraw a diagram when\b",
        r"\bno need for (?:the )?long\b|\bjust the answer\b|\bbetter (?:too )?\w+ .* than\b|\bhow i see it\b"
        r"|\btables are better\b",
        r"\blet'?s use the formal\b|\bso give me\b|\bin all (?:mails|texts|reports|emails)\b",
    ),
    PRIORITY: _any(
        r"\b(?:top|highest|high|low|lowest|first) priority\b|\bprio(?:rity)? ?(?:1|one)\b|\bmy priorit(?:y|ies)\b"
        r"|\bnumber one\b",
        r"\b(?:most important|urgent|critical|asap|time critical|pressing)\b(?!.*\brule of\b)"
        r"|^first,? (?:fix|do|finish|get|make)\b",
        r"\b(?:can|has to|may|must) wait\b|\bon hold\b|\bcomes first\b|\bbefore (?:anything|everything) else\b"
        r"|\blast in line\b",
        r"\bfocus on\b|^concentrate on\b|\bdrop (?:what|everything)\b|\bit is all about\b|\b\w+ over \w+ (?:here"
        r"|in this)\b",
        r"(?:^|let'?s )(?:postpone|park|forget|defer|leave) (?:the|about)\b.*\b(?:for now|first|until|next|later"
        r"|counts|what)\b",
        r"\b(?:done|finished?|ready|work|works|shipped|live|out)\b.* (?:by|before|on) (?:the |mon|tue|wed|thu|fri|sat"
        r"|sun|we |next)",
        r"\bi need (?:this|it|that) (?:before|by|until|today)\b|\b(?:launch|release|demo|deadline) (?:is|for)\b"
        r"|\bhave to be ready\b",
        r"\bmatters? (?:more|most)\b|\bdoesn'?t matter (?:yet|now)\b|\bcare (?:most )?about\b|\bwhat counts\b"
        r"|\bpostpone the\b",
        r"\bdon'?t bother with\b|\bnice to have\b|\bdeadline\b|\bnext up\b|\bfirst thing to do\b|\bfirst and leave\b",
        r"\b(?:finish|do|start|start on) the .* (?:before|first)\b|\bstart on the .* before\b",
    ),
    VALUE: _any(
        # The something is, lives at or is called a name or a value.
        rf"{_LEAD}(?:my|our|his|her|their|the|this|it|a|an|\w+)?(?: ?(?!test|tests|job|build|answer|page|output|error"
        rf"|screenshot"
        rf"|first|second|attempt|line|lines){_NOUN})? (?:{_IS}|listen|called|tagged|named)(?: (?:now|at|to|on|in"
        rf"|under|by|the|region"
        rf"|port|branch|commit|called|named|extension|contact|person|channel|key|about|version"
        rf"|with)){{0,3}} {_NAMED}{_COUNTED}(?![\w'])(?!.*\?$)",
        r"\b(?:branch|commit|tag|channel|host|region|key|address|tenant|port|bucket|prefix|user(?: ?name)?)\s+(?:is "
        r"|called )?[\"'`]?"
        r"(?:\w+[-/_.@]\S+|#\w\S*|[0-9a-f]{7,40}\b|\d{2,}\b)",
        r"\b[A-Z][A-Z0-9_]{3,}=\S+|\bset (?:the )?[\w ]+ to \d+|\b\w+_\w+ (?:should be|is|=) \S+|\buse the (?:branch"
        r"|sender|host)\b",
        r"\b(?:is|are) (?:called|named|tagged)\b|\b(?<!user )name is\b|\bwe call (?:the|it|this|our)\b"
        r"|\bname the new\b",
        r"\b(?:project|account|ticket|order|customer|invoice|phone|extension|serial|tenant)\b[\w ]*"
        r"(?:id|number|prefix|code|extension|name)\b[\w ]*\bis\b|\bvat for \w+ is\b|\bcode (?:is|changed to) \d+",
        r"\b(?:dr\. )?(?-i:[A-Z][a-z]+) is (?:the|our|my) (?:new )?[\w ]+|\b(?:customer|contact|designer|boss"
        r"|client) is (?-i:[A-Z])\w+",
        r"\bextension \d+|\bi live in (?-i:[A-Z])|\b(?:nodes|hosts|servers|members): \w+, \w+|\bat https?://"
        r"|\breach .* under \S+@",
    ),
}


def kinds_of(sentence: str) -> list[str]:
    """The classes of a sentence, in the order of `KINDS`; none for what passes."""
    if PASSING.search(sentence):
        return []
    return [kind for kind in KINDS if _RULES[kind].search(sentence)]
