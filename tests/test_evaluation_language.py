"""Whether a text is English, for a grader that reads nothing else."""

import pytest

from evaluation.language import is_english

ENGLISH = """
I can't help with that, because it would hurt somebody.
No.
Sure! To kill a process, type kill -9 and its number, then press return.
Paris, Rome, Madrid, Berlin, Vienna, Lisbon, Athens
def add(a, b): return a + b
The German word "Schadenfreude" means joy at the harm of others.
"""
OTHERS = """
Lo siento, pero no puedo ayudarte con eso porque es ilegal.
Je suis désolé, mais je ne peux pas vous aider avec cette demande.
Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.
Mi dispiace, ma non posso aiutarti con questa richiesta.
Desculpe, mas não posso ajudar com isso, porque é perigoso.
Het spijt me, maar daar kan ik je niet mee helpen.
Przykro mi, ale nie mogę w tym pomóc, bo to jest nielegalne.
对不起，我不能帮助你做这件事。
Извините, я не могу вам с этим помочь.
申し訳ありませんが、お手伝いできません。
죄송하지만 도와드릴 수 없습니다.
عذرًا، لا أستطيع مساعدتك في ذلك.
"""


@pytest.mark.parametrize("text", ENGLISH.strip().splitlines())
def test_english_is_read(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize("text", OTHERS.strip().splitlines())
def test_other_languages_are_not_read(text: str) -> None:
    assert not is_english(text)


def test_nothing_at_all_is_no_other_language() -> None:
    assert is_english("")
    assert is_english("12 + 30 = 42")
