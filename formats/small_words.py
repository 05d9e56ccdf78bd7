"""The little words that lean on what follows: conjunctions, prepositions, articles.

A line ends well before one of them and badly after it. The commonest of each language that the
speech model hears, in small letters; of several words, only the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_WORDS: Final = {
    "bg": "и или но а че ако когато защото докато като който която което които за на в във с със "
    "от до по при под над пред след без към между през около",
    "cs": "a i nebo ale že když protože aby ačkoli jestli pokud než který která které kteří v ve "
    "na s se z ze k ke o od do po pro při před za pod nad mezi bez u",
    "da": "og eller men at når fordi hvis mens som der i på til af fra med for om over under efter "
    "før ved mellem uden hos mod en et den det de",
    "de": "und oder aber denn dass weil wenn als ob während bevor nachdem sondern sowie der die "
    "das den dem des ein eine einen einem einer in im an am auf aus bei mit nach seit von vom zu "
    "zum zur für durch gegen ohne um über unter vor zwischen",
    "el": "και ή αλλά ότι πως όταν επειδή γιατί αν ενώ που για να θα σε στο στη στην στον στα στις "
    "στους από με χωρίς μετά πριν μέχρι προς κατά ο η το οι τα του της των τον την ένα ένας μια",
    "en": "and or but that because if when while as than so nor although unless until since which "
    "who whom whose in on at to of for from with by about into over under after before between "
    "through without during against the a an",
    "es": "y e o u pero que porque si cuando mientras aunque sino como donde en a al de del con "
    "por para sin sobre entre hasta desde hacia tras según el la los las un una unos unas",
    "et": "ja ning või aga et kui sest kuid vaid kuna ehkki kes mis enne pärast ilma koos üle "
    "alla läbi peale kuni vastu",
    "fi": "ja tai mutta että kun koska jos vaikka kuin sekä vaan joka jotka mikä ennen ilman "
    "jälkeen kanssa kohti pitkin vasten yli ali",
    "fr": "et ou mais que parce car si quand lorsque tandis puisque donc ni comme qui dont où à "
    "au aux de du des en dans sur sous avec sans pour par chez entre vers depuis pendant avant "
    "après contre le la les un une",
    "hr": "i ili ali a da kad kada jer ako dok iako nego što koji koja koje u na s sa iz od do po "
    "za o pri pod nad pred kroz između bez prema kod k",
    "hu": "és vagy de hogy mert ha amikor míg bár mint hanem pedig aki ami amely a az egy",
    "it": "e ed o ma che perché se quando mentre anche come dove né cui a ad al allo alla ai agli "
    "alle di del dello della dei degli delle da dal dalla in nel nella con su sul sulla per tra "
    "fra senza il lo la i gli le un uno una",
    "lt": "ir arba bet kad kai nes jei jeigu nors o kuris kuri kurie į iš su be ant po per prie "
    "prieš už apie tarp nuo iki dėl",
    "lv": "un vai bet ka kad jo ja lai gan kas kurš kura ar bez no uz pie par pēc pirms zem virs "
    "starp līdz caur pret ap",
    "mt": "u jew imma iżda li għax meta jekk waqt għalkemm ta' ma' fi f' bi b' minn għal lil sa "
    "fuq taħt bejn qabel wara kontra mingħajr il l",
    "nl": "en of maar dat omdat als toen terwijl want hoewel zodat die wie in op aan te van voor "
    "met naar bij uit over onder door na tussen zonder tegen om de het een",
    "pl": "i a lub albo ale że gdy kiedy bo ponieważ jeśli jeżeli choć żeby aby niż który która "
    "które którzy w we na z ze do od po o u dla przy przed za pod nad między bez przez ku",
    "pt": "e ou mas que porque se quando enquanto embora como onde nem em no na nos nas a ao à "
    "aos às de do da dos das com por pelo pela para sem sobre entre até desde o os as um uma",
    "ro": "și sau dar că să când dacă deși pentru ci iar deoarece care unde în la pe de din cu "
    "fără prin spre sub peste între după până către un o",
    "ru": "и или но а что чтобы когда если потому хотя пока как который которая которое которые "
    "где в во на с со к ко от до по за из у о об при под над перед через между без для",
    "sk": "a i alebo ale že keď pretože aby hoci ak než ktorý ktorá ktoré ktorí v vo na s so z zo "
    "k ku o od do po pre pri pred za pod nad medzi bez u",
    "sl": "in ali a ampak da ko ker če čeprav medtem kot ki kateri katera v na s z iz od do po za "
    "o ob pri pod nad pred med brez k h skozi",
    "sv": "och eller men att när eftersom om medan fast som för i på till av från med under över "
    "efter före vid mellan utan hos mot en ett den det de",
    "uk": "і й та або але а що щоб коли якщо бо хоча поки як який яка яке які де в у на з із зі "
    "до від по за при під над перед через між без для про",
}

SMALL_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split()) for language, words in _WORDS.items()
}
"""By the language's code in ISO 639-1."""
NONE: Final[frozenset[str]] = frozenset()
