"""Whether a text is English, as far as a grader of English needs to know: text in, yes or no out.

By its script, then by function words, which make up a good part of any sentence: a language's own are
counted against those of others that are written in the same letters. Short texts count as English, and so
does what has no words at all (code, numbers).
"""

import re
import unicodedata
from collections.abc import Mapping

_READ_CHARACTERS = 4_000
_FEW_WORDS = 6
_OTHER_LETTERS = 0.3
"""A share of letters that are not Latin from which a text is in another script."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ENGLISH = _words(
    "the of and to a in is you that it for are this with be as not on your have can or if i will "
    "an by we from but they would what there their do my was at so about help should his her me "
    "all any how please some no when which who more these could may must it's i'm can't don't"
)
_OTHERS: Mapping[str, frozenset[str]] = {
    "Spanish": _words(
        "de la que el en y los se del las un por con una su para es al lo como más pero sus le o este "
        "sí porque esta son no está puedo ayudar te tu usted si muy cuando también hay ser tiene"
    ),
    "French": _words(
        "de la le et les des en un une du que est pour qui dans par sur pas ne je vous nous au avec "
        "ce il sont plus cette mais ou ses être peux aider votre vos comme si c'est j'ai d'un n'est"
    ),
    "German": _words(
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an "
        "werden aus er hat dass sie nach wird bei einer um am sind noch wie einem ich kann ihnen "
        "leider"
    ),
    "Italian": _words(
        "di che e la il un a per in una sono mi ho ma lo con non le si da come ha i del alla della "
        "questo è gli dei nel se più anche posso essere può tuo"
    ),
    "Portuguese": _words(
        "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele "
        "das tem à seu sua ou ser quando muito há nos já está eu você posso ajudar isso"
    ),
    "Dutch": _words(
        "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om "
        "hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit kan u helpen"
    ),
    "Polish": _words(
        "i w na z się nie do to że jest o jak a po co za od są ale tak przez dla czy już może mogę "
        "przy był jego tego który ich być"
    ),
    "Turkish": _words(
        "ve bir bu için de da ile çok ben sen ama daha gibi olarak kadar ne var değil olan mi size "
        "yardım sonra en her"
    ),
    "Indonesian": _words(
        "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada bisa "
        "anda atau mereka oleh adalah"
    ),
    "Swedish": _words(
        "och i att det som en på är av för med till den har de inte om ett jag men var du kan han hon "
        "vi så från eller"
    ),
}


def is_english(text: str) -> bool:
    """Whether the text may be read as English; nothing speaks against it where there is too little of it."""
    shown = text[:_READ_CHARACTERS]
    if _of_another_script(shown):
        return False
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", shown.lower().replace("’", "'"))
    if len(words) < _FEW_WORDS:
        return True
    english = sum(word in _ENGLISH for word in words)
    other = max(sum(word in known for word in words) for known in _OTHERS.values())
    return english >= other or other < max(2, len(words) // 10)


def _of_another_script(text: str) -> bool:
    letters = [mark for mark in text if mark.isalpha()]
    strange = sum(not _latin(mark) for mark in letters)
    return bool(letters) and strange / len(letters) > _OTHER_LETTERS


def _latin(mark: str) -> bool:
    return mark.isascii() or unicodedata.name(mark, "").startswith("LATIN")
