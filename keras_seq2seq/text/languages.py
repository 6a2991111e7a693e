"""The codes of languages, as servers and their clients name them, and the names of many."""

import re
from collections.abc import Sequence

CODE = re.compile("[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # as in the schema of the manifest
_NAMES = (
    "ar Arabic,az Azerbaijani,be Belarusian,bg Bulgarian,bn Bengali,ca Catalan,cs Czech,da Danish,"
    "de German,el Greek,en English,eo Esperanto,es Spanish,et Estonian,eu Basque,fa Persian,"
    "fi Finnish,fr French,ga Irish,gl Galician,he Hebrew,hi Hindi,hr Croatian,hu Hungarian,"
    "hy Armenian,id Indonesian,is Icelandic,it Italian,ja Japanese,ka Georgian,kk Kazakh,ko Korean,"
    "lt Lithuanian,lv Latvian,mk Macedonian,ms Malay,mt Maltese,nb Norwegian Bokmål,nl Dutch,"
    "nn Norwegian Nynorsk,no Norwegian,pl Polish,pt Portuguese,ro Romanian,ru Russian,sk Slovak,"
    "sl Slovenian,sq Albanian,sr Serbian,sv Swedish,sw Swahili,ta Tamil,th Thai,tl Tagalog,"
    "tr Turkish,uk Ukrainian,ur Urdu,uz Uzbek,vi Vietnamese,zh Chinese"
)
NAMES = dict(entry.split(" ", 1) for entry in _NAMES.split(","))


def language_name(code: str) -> str:
    """Returns the English name of a language, or its code where the name is not known here.

    Example:
        >>> language_name("pt-BR"), language_name("tlh")
        ('Portuguese (BR)', 'tlh')
    """
    language, _, rest = code.partition("-")
    name = NAMES.get(language.lower())
    if name is None:
        return code
    return f"{name} ({rest})" if rest else name


def language_errors(languages: Sequence[str], name: str) -> list[str]:
    """Returns what is wrong with the languages of a model.

    Args:
        languages: The code of the source and that of the target.
        name: Of the argument, for errors.
    """
    if isinstance(languages, str) or len(languages) != 2:
        return [
            f'{name} must be the codes of the source and of the target, such as ["en", "fr"]. '
            f"Received: {languages!r}."
        ]
    return [
        f'{name} must be codes of languages (BCP 47), such as "en", "pt-BR" or "zh-Hans". '
        f"Received: {code!r}."
        for code in languages
        if not (isinstance(code, str) and CODE.fullmatch(code))
    ]
