"""Closed word classes and light stemming: what the checkers know of English without a parser."""

from __future__ import annotations

import re
from functools import lru_cache


def word_set(words: str) -> frozenset[str]:
    """Return the words of a list written as one string."""
    return frozenset(words.split())


ARTICLES = frozenset({"a", "an", "the"})
POSSESSIVES = word_set("my your his her its our their")
DEMONSTRATIVES = word_set("this that these those")
PRONOUNS = word_set("i you he she it we they there one this that these those")
SUBJECT_PRONOUNS = word_set("i he she we they")
CONJUNCTIONS = word_set("and or but nor")
SUBORDINATORS = word_set(
    "if when while whenever because since although though unless until after before as once where whereas"
)
PREPOSITIONS = word_set(
    "of in on at by for from with to into onto under over through across along among amid near upon "
    "above below behind between beyond without within against toward towards during despite beside "
    "besides inside outside around about past per via throughout beneath"
)
INTRODUCTORY = (
    PREPOSITIONS
    | SUBORDINATORS
    | word_set(
        "however indeed therefore thus hence so moreover furthermore meanwhile instead still yet then now "
        "today finally sometimes often perhaps maybe usually soon later again also too though although "
        "well oh yes no first second third next lastly firstly secondly thirdly together fortunately "
        "unfortunately"
    )
)
_BE_HAVE_DO = "am is are was were be been being have has had having do does did doing done"
_MODALS = "can could may might must shall should will would ought cannot"
HELPERS = word_set(
    "am is are was were have has had do does did can could may might must shall should will would cannot"
)
NEGATED_HELPERS = word_set(
    "isn't aren't wasn't weren't haven't hasn't hadn't don't doesn't didn't can't couldn't mayn't "
    "mightn't mustn't shan't shouldn't won't wouldn't ain't needn't"
)
NEGATIONS = word_set("not no never none nobody nothing neither nor cannot nowhere") | NEGATED_HELPERS
AUXILIARIES = frozenset(f"{_BE_HAVE_DO} {_MODALS}".split()) | NEGATED_HELPERS

DETERMINERS = (
    ARTICLES | POSSESSIVES | DEMONSTRATIVES | word_set("each every another no some any one both all")
)
GRADABLE = word_set(
    "able airy ample angry bare big bitter black bland bleak blind blue bold brave brief bright brisk "
    "broad brown busy calm cheap chilly clean clear clever close cloudy clumsy cold cool coarse cosy "
    "crazy crisp cruel curly damp dark dear deep dense dim dirty dry dull dusty eager early easy empty "
    "faint fair far fast fat feeble few fierce fine firm flat fond fragile free fresh friendly full funny "
    "gentle glad gloomy good grand gray great green grey grim happy hard harsh hasty healthy heavy high "
    "hollow holy hot huge humble hungry icy keen kind large late lazy lean light likely little lively "
    "lonely long loose loud lovely low lucky mad mean mellow merry messy mild misty moist muddy narrow "
    "nasty near neat new nice nimble noble noisy odd old pale plain polite poor pretty proud pure quick "
    "quiet rare raw ready red rich ripe rough round rude rusty sad safe salty sandy scarce shallow sharp "
    "shiny short shy sick silent silly simple slender slick slight slim slippery slow small smart smooth "
    "soft soon sour spicy steady steep stern sticky stiff still stormy stout straight strange strict "
    "strong sturdy subtle sunny sure sweet swift tall tame tasty tender thick thin tidy tight tiny tired "
    "tough true ugly vague vast warm wary wavy weak weary wee wet white wide wild windy wise worthy "
    "yellow young"
)


def comparative(adjective: str) -> str:
    """Return the comparative in -er of a short adjective."""
    if adjective.endswith("e"):
        return adjective + "r"
    if adjective.endswith("y") and adjective[-2:-1] not in "aeiou" and len(adjective) > 3:
        return adjective[:-1] + "ier"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][bdgmnt]", adjective)
    return adjective + adjective[-1] * bool(doubled) + "er"


COMPARATIVES = frozenset(map(comparative, GRADABLE)) | word_set(
    "more less better worse further farther elder"
)
_OTHER_FUNCTION = (
    "i me myself you yourself yourselves he him himself she herself it itself we us ourselves they them "
    "themselves mine yours hers ours theirs who whom whose which what why how all any both each every "
    "either neither few more most much many some such several enough other others another no not only "
    "own same so than too very just then there here again once also even ever never always yet still "
    "else let's whoever whatever whichever out off up down away back rather quite almost nearly because "
    "unless until whether like though although however therefore thus hence nor as if when while where "
    "whenever wherever whereas since after before i'm i've i'll i'd you're you've you'll you'd he's "
    "he'll he'd she's she'll she'd it's it'll it'd we're we've we'll we'd they're they've they'll "
    "they'd that's there's here's what's who's where's how's anyone anybody anything everyone everybody "
    "everything someone somebody something nobody nothing none"
)
FUNCTION_WORDS = (
    ARTICLES
    | POSSESSIVES
    | DEMONSTRATIVES
    | PRONOUNS
    | CONJUNCTIONS
    | SUBORDINATORS
    | PREPOSITIONS
    | AUXILIARIES
    | word_set(_OTHER_FUNCTION)
)

_IRREGULAR = {
    form: base
    for base, forms in {
        "be": "am is are was were been being",
        "become": "became",
        "begin": "began begun",
        "bend": "bent",
        "bind": "bound",
        "blow": "blew blown",
        "break": "broke broken",
        "bring": "brought",
        "build": "built",
        "burn": "burnt",
        "buy": "bought",
        "catch": "caught",
        "child": "children",
        "come": "came",
        "do": "does did done",
        "draw": "drew drawn",
        "drink": "drank drunk",
        "drive": "drove driven",
        "eat": "ate eaten",
        "fall": "fell fallen",
        "feed": "fed",
        "feel": "felt",
        "find": "found",
        "fly": "flew flown",
        "foot": "feet",
        "freeze": "froze frozen",
        "get": "got gotten",
        "give": "gave given",
        "go": "goes went gone",
        "goose": "geese",
        "grow": "grew grown",
        "half": "halves",
        "have": "has had",
        "hear": "heard",
        "hold": "held",
        "keep": "kept",
        "knife": "knives",
        "know": "knew known",
        "lay": "laid",
        "lead": "led",
        "leaf": "leaves",
        "leave": "left",
        "light": "lit",
        "lose": "lost",
        "make": "made",
        "man": "men",
        "melt": "molten",
        "move": "moving",
        "mouse": "mice",
        "pay": "paid",
        "ride": "rode ridden",
        "ring": "rang rung",
        "rise": "rose risen",
        "run": "ran",
        "see": "saw seen",
        "sell": "sold",
        "send": "sent",
        "shake": "shook shaken",
        "shelf": "shelves",
        "shine": "shone",
        "shrink": "shrank shrunk",
        "sing": "sang sung",
        "sink": "sank sunk",
        "sleep": "slept",
        "speak": "spoke spoken",
        "spin": "spun",
        "stand": "stood",
        "steal": "stole stolen",
        "stick": "stuck",
        "sting": "stung",
        "swim": "swam swum",
        "take": "took taken",
        "tell": "told",
        "think": "thought",
        "throw": "threw thrown",
        "tooth": "teeth",
        "wake": "woke woken",
        "wear": "wore worn",
        "weave": "wove woven",
        "win": "won",
        "wind": "wound",
        "wolf": "wolves",
        "woman": "women",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}
IRREGULAR_VERBS = (
    frozenset(_IRREGULAR)
    | word_set(
        "bit bled bred burst leapt leant learnt bore beat dove ground smelt spilt strung stank sprung "
        "wrung withdrew overtook cast chose cost crept cut dealt dreamt dug fled flung forgave forgot "
        "fought hid hit hung hurt knelt knit lent let meant met put quit read said sat set shed shot shut "
        "slid sought spat spent split spread sprang strode struck swept swore swung taught tore trod wept"
    )
) - word_set("children feet geese halves knives leaves men mice shelves teeth wolves women molten")
_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"(?:bb|dd|gg|kk|mm|nn|pp|rr|tt|zz)$")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Fold number, tense and possessive of one lower-case word, so that 'rises' and 'rose' are one."""
    word = word.removesuffix("'s").removesuffix("'")
    word = _IRREGULAR.get(word, word)
    for suffix, stem_end in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        rest = word.removesuffix(suffix)
        if rest != word and _strippable(rest, suffix):
            word = rest + stem_end
            break
    return _bare(word)


def _strippable(rest: str, suffix: str) -> bool:
    if suffix == "s":
        return len(rest) >= 2 and rest[-1] not in "siu"
    return len(rest) >= (3 if suffix in ("ing", "ed") else 2) and _VOWEL.search(rest) is not None


def _bare(word: str) -> str:
    """Drop a final e and undo a doubled consonant, so that 'hope', 'hoping' and 'stop', 'stopped' meet."""
    if word.endswith(("ches", "shes", "xes", "sses", "zzes", "che", "she", "xe", "sse", "zze", "oe")):
        word = word.removesuffix("s")
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and _DOUBLED.search(word) else word
