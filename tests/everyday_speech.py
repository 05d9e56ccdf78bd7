"""Three everyday sentences in each of the 25 languages, as a speech model prints them."""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, tuple[str, str, str]]] = {
    "bg": (
        "Добро утро, искате ли кафе или чай?",
        "Вчера закъснях за работа, защото автобусът не дойде навреме.",
        "Кажи на майка си, че ще се прибера към седем часа.",
    ),
    "hr": (
        "Dobro jutro, želite li kavu ili čaj?",
        "Jučer sam zakasnio na posao jer autobus nije došao na vrijeme.",
        "Reci mami da ću se vratiti kući oko sedam sati.",
    ),
    "cs": (
        "Dobré ráno, dáte si kávu nebo čaj?",
        "Včera jsem přišel pozdě do práce, protože autobus nepřijel včas.",
        "Řekni mamince, že se vrátím domů kolem sedmé hodiny.",
    ),
    "da": (
        "Godmorgen, vil du have kaffe eller te?",
        "I går kom jeg for sent på arbejde, fordi bussen ikke kom til tiden.",
        "Sig til din mor, at jeg kommer hjem omkring klokken syv.",
    ),
    "nl": (
        "Goedemorgen, wil je koffie of thee?",
        "Gisteren kwam ik te laat op mijn werk omdat de bus niet op tijd was.",
        "Zeg tegen je moeder dat ik rond zeven uur thuiskom.",
    ),
    "en": (
        "Good morning, would you like some coffee or tea?",
        "Yesterday I was late for work because the bus didn't come on time.",
        "Tell your mother that I'll be home around seven o'clock.",
    ),
    "et": (
        "Tere hommikust, kas soovite kohvi või teed?",
        "Eile jäin ma tööle hiljaks, sest buss ei tulnud õigel ajal.",
        "Ütle emale, et ma jõuan koju umbes kell seitse.",
    ),
    "fi": (
        "Hyvää huomenta, haluatko kahvia vai teetä?",
        "Eilen myöhästyin töistä, koska bussi ei tullut ajoissa.",
        "Sano äidille, että tulen kotiin noin seitsemältä.",
    ),
    "fr": (
        "Bonjour, vous voulez du café ou du thé ?",
        "Hier, je suis arrivé en retard au travail parce que le bus n'est pas passé à l'heure.",
        "Dis à ta mère que je rentre vers sept heures.",
    ),
    "de": (
        "Guten Morgen, möchten Sie Kaffee oder Tee?",
        "Gestern bin ich zu spät zur Arbeit gekommen, weil der Bus nicht pünktlich war.",
        "Sag deiner Mutter, dass ich gegen sieben Uhr nach Hause komme.",
    ),
    "el": (
        "Καλημέρα, θέλετε καφέ ή τσάι;",
        "Χθες άργησα στη δουλειά γιατί το λεωφορείο δεν ήρθε στην ώρα του.",
        "Πες στη μητέρα σου ότι θα γυρίσω σπίτι γύρω στις επτά.",
    ),
    "hu": (
        "Jó reggelt, kávét vagy teát kér?",
        "Tegnap elkéstem a munkából, mert a busz nem jött időben.",
        "Mondd meg anyádnak, hogy hét óra körül érek haza.",
    ),
    "it": (
        "Buongiorno, vuole un caffè o un tè?",
        "Ieri sono arrivato tardi al lavoro perché l'autobus non è passato in orario.",
        "Di' a tua madre che torno a casa verso le sette.",
    ),
    "lv": (
        "Labrīt, vai vēlaties kafiju vai tēju?",
        "Vakar es nokavēju darbu, jo autobuss neatbrauca laikā.",
        "Pasaki mammai, ka es būšu mājās ap septiņiem.",
    ),
    "lt": (
        "Labas rytas, ar norėtumėte kavos ar arbatos?",
        "Vakar pavėlavau į darbą, nes autobusas neatvažiavo laiku.",
        "Pasakyk mamai, kad grįšiu namo apie septintą valandą.",
    ),
    "mt": (
        "Bonġu, trid kafè jew te?",
        "Ilbieraħ wasalt tard ix-xogħol għax il-karozza tal-linja ma ġietx fil-ħin.",
        "Għid lil ommok li se niġi d-dar għall-ħabta tas-sebgħa.",
    ),
    "pl": (
        "Dzień dobry, napije się pan kawy czy herbaty?",
        "Wczoraj spóźniłem się do pracy, bo autobus nie przyjechał na czas.",
        "Powiedz mamie, że wrócę do domu około siódmej.",
    ),
    "pt": (
        "Bom dia, quer um café ou um chá?",
        "Ontem cheguei atrasado ao trabalho porque o autocarro não veio a horas.",
        "Diz à tua mãe que chego a casa por volta das sete.",
    ),
    "ro": (
        "Bună dimineața, doriți o cafea sau un ceai?",
        "Ieri am întârziat la serviciu pentru că autobuzul nu a venit la timp.",
        "Spune-i mamei tale că ajung acasă pe la ora șapte.",
    ),
    "sk": (
        "Dobré ráno, dáte si kávu alebo čaj?",
        "Včera som prišiel neskoro do práce, lebo autobus neprišiel načas.",
        "Povedz mame, že sa vrátim domov okolo siedmej hodiny.",
    ),
    "sl": (
        "Dobro jutro, bi radi kavo ali čaj?",
        "Včeraj sem zamudil v službo, ker avtobus ni prišel pravočasno.",
        "Povej mami, da pridem domov okrog sedmih.",
    ),
    "es": (
        "Buenos días, ¿quiere un café o un té?",
        "Ayer llegué tarde al trabajo porque el autobús no pasó a su hora.",
        "Dile a tu madre que vuelvo a casa sobre las siete.",
    ),
    "sv": (
        "God morgon, vill du ha kaffe eller te?",
        "I går kom jag för sent till jobbet eftersom bussen inte kom i tid.",
        "Säg till din mamma att jag kommer hem vid sjutiden.",
    ),
    "ru": (
        "Доброе утро, вы будете кофе или чай?",
        "Вчера я опоздал на работу, потому что автобус не пришёл вовремя.",
        "Скажи маме, что я вернусь домой около семи часов.",
    ),
    "uk": (
        "Доброго ранку, ви будете каву чи чай?",
        "Учора я запізнився на роботу, бо автобус не приїхав вчасно.",
        "Скажи мамі, що я повернуся додому близько сьомої години.",
    ),
}
