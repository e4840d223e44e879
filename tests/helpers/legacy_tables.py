"""Generated tables in many languages and legacy encodings, to measure the detection of encodings.

``python -m tests.helpers.legacy_tables`` prints how often modeldrop's detection, chardet and charset-normalizer read
the tables correctly; docs/decisions/0014-reading-files.md has the rates, also those before the rules were tuned on
these words.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import chardet

from pipeline.validation.readers.encodings.detection import detect_encoding

__all__ = ["ENCODINGS", "WESTERN", "Table", "is_read_right", "make_tables"]

_WORDS = {
    "german": """Köln|München|Düsseldorf|Nürnberg|Lübeck|Würzburg|Göttingen|Osnabrück|Saarbrücken|Fürth|Tübingen
        |Gießen|Görlitz|Weißenfels|Zürich|Österreich|Grün|weiß|schwarz|blau|groß|mittel|klein|Müller|Schröder
        |Krüger|Jürgen|Günther|Straße|Häuser|Geschäft|Käse|Brötchen|Äpfel|Süßwaren|Möbel|geprüft|ungültig
        |verfügbar|Rückgabe|Öl|Hamburg|Berlin|Bremen|Maße|Fußball|König|schön|täglich|jährlich|Gebühr|Händler
        |Verkäufer|Stück|Schlüssel|Tür|Büro""",
    "french": """Orléans|Besançon|Nîmes|Béziers|Évreux|Angoulême|Châteauroux|Saint-Étienne|Sète|Périgueux|Mâcon
        |Béthune|Épinal|Lyon|Paris|Fréjus|Alès|Compiègne|Hyères|Montluçon|Hélène|François|Noël|Jérôme|Zoë|Benoît
        |Gaël|Aurélie|très|élevé|modéré|déjà|payé|refusé|créé|livré|à régler|crème|pâtes|gâteau|légumes|épicerie
        |bœuf|œuf|garçon|forêt|île|été|hôtel|café|pièce|étage|côté|marché|qualité|société|français|itinéraire
        |dépôt|où|naïf|maïs""",
    "spanish": """Málaga|Córdoba|A Coruña|Logroño|Cádiz|León|Ávila|Cáceres|Jaén|Almería|Castellón|San Sebastián
        |Gijón|Mérida|Alcalá|Madrid|Sevilla|José|María|Íñigo|Begoña|Núñez|Muñoz|Ibáñez|Peña|Martínez|Gómez|Pérez
        |Díaz|Álvarez|sí|no|pequeño|mediano|niño|niña|español|inglés|baño|habitación|pagó|envío|devolución|año
        |mañana|débito|crédito|electrónica|música|jardín|camión|avión|cigüeña|pingüino|útil|fácil|difícil
        |categoría""",
    "portuguese": """São Paulo|Brasília|Belém|Maceió|Goiânia|Florianópolis|Vitória|Cuiabá|João Pessoa|Macapá
        |Niterói|Évora|Setúbal|Guimarães|Lisboa|Porto|Conceição|João|Antônio|José|Luís|Simões|Magalhães|Gonçalves
        |Araújo|Inês|não|sim|médio|à vista|crédito|débito|avaliação|ótimo|péssimo|razoável|ação|coração|pão|mães
        |botões|código|preço|maçã|manhã|irmã|açúcar|café|três|também|você|útil|água|lâmpada|exceção|três anos
        |opções|canções|lições""",
    "italian": """Forlì|Cefalù|Nardò|Cantù|Mondovì|Patti|Roma|Milano|Città di Castello|Niccolò|Noè|Mosè|Salò|Agrò
        |perché|più|già|così|però|città|università|qualità|quantità|metà|età|caffè|tè|virtù|gioventù|lunedì
        |martedì|mercoledì|giovedì|venerdì|sì|no|né|là|lì|attività|società|novità|libertà|velocità|capacità|papà
        |menù|è|può|sarà|farò|ragù|tiramisù|bontà|povertà|felicità|comò|falò|oblò|canapè""",
    "catalan": """València|Mataró|Castelló|Sant Cugat|Lleida|Vilafranca del Penedès|Figueres|Berguedà|Empordà|Maó
        |Alcúdia|Sóller|Andratx|Llucmajor|Manacor|Barcelona|Núria|Mònica|Lluís|Raül|Martí|Òscar|Àngel|Sònia|català
        |francès|anglès|només|més|però|també|això|allò|què|dilluns|dissabte|preu mitjà|qualitat|tècnica|història
        |ciència|música|població|direcció|cançó|plaça|força|peça|diürn|països|raïm|veïna|pingüí|aigües
        |després|avió|camió""",
    "dutch": """Curaçao|België|Italië|Spanje|Oekraïne|Utrecht|Groningen|Zoë|Daniël|Chloë|Noé|René|Joëlle|Michaël
        |Raphaël|Israël|geïnteresseerd|coördinatie|reünie|financiën|categorieën|ideeën|knieën|zeeën|drieën|café
        |crème|enquête|scène|à contant|één|hé|vóór|dóór|patiënt|cliënt|efficiënt|ruïne|egoïsme|poëzie|beïnvloed
        |naïef|maïs|fêteren|rood|groen|wit""",
    "swedish": """Malmö|Göteborg|Västerås|Örebro|Linköping|Norrköping|Jönköping|Umeå|Gävle|Borås|Södertälje|Växjö
        |Luleå|Östersund|Skövde|Åre|Stockholm|Lund|Björn|Åsa|Jörgen|Göran|Håkan|Sjöberg|Åkesson|Lindström|grön|röd
        |blå|svart|små|medel|nöjd|missnöjd|ja|nej|å|ö|kött|bröd|mjölk|öl|kläder|skor|möbler|trädgård|hälsa|böcker
        |vår|höst|lördag|söndag|mån|år|försäljning|återköp|ändring|lägenhet""",
    "danish": """København|Århus|Ålborg|Køge|Næstved|Helsingør|Hillerød|Sønderborg|Frederikshavn|Rønne|Ærø|Læsø
        |Fanø|Tønder|Nyborg|Odense|Søren|Jørgen|Bjørn|Åse|Mæglergård|Østergaard|Højgaard|Nørgaard|Kjær|rød|grøn
        |blå|gul|små|mellem|køb|salg|øl|kød|brød|mælk|æg|grønt|tøj|sko|møbler|lørdag|søndag|måned|år|både|også|nå
        |på|får|går""",
    "norwegian": """Tromsø|Bodø|Ålesund|Bærum|Hønefoss|Mjøndalen|Gjøvik|Lillestrøm|Sandnessjøen|Førde|Florø|Røros
        |Stjørdal|Levanger|Oslo|Bergen|Bjørn|Øystein|Håkon|Åge|Sørensen|Bråthen|Ødegård|Moen|rød|grønn|blå|fisk
        |kjøtt|brød|melk|øl|klær|møbler|lørdag|søndag|måned|år|én|òg|fôr|både|også|på|når|får|går|kjøp|høy|lav""",
    "finnish": """Jyväskylä|Hämeenlinna|Seinäjoki|Kemijärvi|Äänekoski|Ylöjärvi|Järvenpää|Hyvinkää|Riihimäki
        |Mikkeli|Oulu|Helsinki|Tampere|Mäkinen|Hämäläinen|Heikkilä|Järvinen|Väinö|Päivi|Yrjö|Määttä|kyllä|ei|pieni
        |iso|keskikokoinen|vihreä|sininen|keltainen|leipä|öljy|hylätty|hyväksytty|käsittelyssä|myyty|ystävä|työ|yö
        |äiti|isä|tyttö|poika|päivä|viikko|vähän|enemmän|shakki|šakki|hyvää""",
    "icelandic": """Reykjavík|Kópavogur|Hafnarfjörður|Akureyri|Garðabær|Mosfellsbær|Árborg|Akranes|Fjarðabyggð
        |Seltjarnarnes|Ísafjörður|Borgarbyggð|Suðurnesjabær|Þorlákshöfn|Hveragerði|Ólafsfjörður|Húsavík|Höfn|Vík
        |Þór|Guðrún|Sigríður|Jón|Björk|Ásgeir|Óðinn|Þóra|já|nei|rauður|grænn|blár|hvítur|svartur|lítið|mikið|mjög
        |gott|vont|brauð|mjólk|fiskur|kjöt|föt|skór|hús|bíll|maður|kona|stúlka|drengur|það|þetta|ár|mánuður""",
    "estonian": """Jõhvi|Põlva|Võru|Pärnu|Kärdla|Jõgeva|Õismäe|Mustamäe|Nõmme|Türi|Räpina|Otepää|Põltsamaa
        |Kohtla-Järve|Tallinn|Tartu|Jüri|Tõnu|Ülle|Mägi|Põld|Kõiv|Kütt|Rätsep|punane|roheline|sinine|väike
        |keskmine|jõgi|jäätis|või|õun|tööstus|müük|ostja|hüvitis|täna|homme|äri|küsimus|töö|öö|kõrge|madal|lõpp
        |külm|üle|džäss|šokolaad""",
    "irish": """Gaillimh|Corcaigh|Dún Laoghaire|Baile Átha Cliath|Sligeach|Ciarraí|Tiobraid Árann|Port Láirge
        |Luimneach|Seán|Máire|Pádraig|Siobhán|Sinéad|Bríd|Ciarán|Éamon|Úna|Róisín|Caoimhín|Ó Briain|Mac Cárthaigh
        |tá|níl|beag|mór|meánach|glas|gorm|bán|arán|bainne|iasc|feoil|éadaí|bróga|teach|cúig|sé|naoi|mí|bliain
        |Éire|Béal Feirste""",
    "czech": """Plzeň|Ústí nad Labem|České Budějovice|Hradec Králové|Liberec|Děčín|Třebíč|Příbram|Břeclav|Žďár
        |Kroměříž|Přerov|Třinec|Chrudim|Náchod|Praha|Brno|Novák|Dvořák|Černý|Procházka|Kučera|Veselý|Němec|Růžička
        |Jiří|Tomáš|Ondřej|Lukáš|Zdeněk|Božena|ano|ne|malý|střední|velký|červený|zelený|žlutý|bílý|černý|dodáno
        |vráceno|zrušeno|čeká|zaplaceno|mléko|chléb|sýr|maso|ovoce|šaty|nábytek|měsíc|týden|úterý|čtvrtek|pátek
        |neděle""",
    "slovak": """Košice|Prešov|Žilina|Banská Bystrica|Trenčín|Piešťany|Lučenec|Poprad|Levoča|Ružomberok
        |Liptovský Mikuláš|Dolný Kubín|Čadca|Šaľa|Nové Zámky|Bratislava|Horváth|Kováč|Varga|Tóth|Baláž|Ľubomír|Ján
        |Štefan|Žofia|Zuzana|áno|nie|malý|stredný|veľký|červený|zelený|žltý|čierny|dodané|vrátené|zrušené|čaká
        |mlieko|chlieb|mäso|ovocie|nábytok|mesiac|týždeň|štvrtok|nedeľa|kôň|stôl|päť|dĺžka|vŕba|ďakujem""",
    "polish": """Łódź|Kraków|Wrocław|Poznań|Gdańsk|Białystok|Częstochowa|Toruń|Rzeszów|Bielsko-Biała|Zielona Góra
        |Płock|Elbląg|Wałbrzych|Chorzów|Warszawa|Lublin|Wiśniewski|Wójcik|Kowalczyk|Kamiński|Zieliński|Szymański
        |Woźniak|Dąbrowski|Kozłowska|Łukasz|Paweł|Michał|Grażyna|Małgorzata|tak|nie|mały|średni|duży|żółty|zielony
        |biały|dostarczono|zwrócono|w trakcie|chleb|mięso|ser żółty|książka|odzież|zdrowie|miesiąc|tydzień|środa
        |piątek""",
    "hungarian": """Győr|Pécs|Szeged|Debrecen|Székesfehérvár|Nyíregyháza|Kecskemét|Szombathely|Érd|Tatabánya
        |Békéscsaba|Dunaújváros|Hódmezővásárhely|Gödöllő|Szentendre|Budapest|Eger|Nagy|Kovács|Tóth|Szabó|Horváth
        |Kiss|Molnár|Németh|Erzsébet|László|István|Jenő|Gergő|Dénes|igen|nem|kicsi|közepes|zöld|sárga|fehér|fekete
        |kézbesítve|törölve|függőben|kenyér|hús|gyümölcs|ruházat|bútor|egészség|hónap|hétfő|szerda|csütörtök|tűz
        |fű|gyűjtő|nő|idő|erős""",
    "romanian": """Bucureşti|Iaşi|Timişoara|Constanţa|Braşov|Galaţi|Ploieşti|Brăila|Bacău|Piteşti|Târgu Mureş
        |Buzău|Botoşani|Râmnicu Vâlcea|Suceava|Cluj|Arad|Ştefan|Ioniţă|Mihăilescu|Băsescu|Năstase|Rădulescu
        |Mureşan|da|nu|mică|mijlocie|roşu|galben|alb|livrată|anulată|aşteptare|pâine|brânză|carne|îmbrăcăminte
        |sănătate|lună|săptămână|marţi|sâmbătă|duminică|ţară|staţie|maşină|casă|preţ|înalt|român""",
    "croatian": """Šibenik|Požega|Vukovar|Čakovec|Đakovo|Varaždin|Karlovac|Poreč|Križevci|Našice|Sveti Križ|Zagreb
        |Split|Horvat|Kovačević|Babić|Marić|Jurić|Novak|Knežević|Vuković|Marković|Petrović|Matić|Tomić|Šimić
        |Željko|Đuro|Zvonimir|da|ne|malo|žuto|crveno|bijelo|isporučeno|vraćeno|otkazano|čeka|kruh|voće|povrće
        |odjeća|namještaj|zdravlje|mjesec|četvrtak|subota|tuđi|među|riječ|sreća|kuća""",
    "slovenian": """Kranj|Celje|Velenje|Trbovlje|Kočevje|Črnomelj|Brežice|Škofja Loka|Žalec|Šentjur|Domžale
        |Jesenice|Koper|Ljubljana|Maribor|Kovačič|Horvat|Krajnc|Zupančič|Potočnik|Hribar|Božič|Vidmar|Žagar|Šuštar
        |Jože|Matjaž|Tjaša|Nežka|da|ne|majhen|rdeč|rumen|črn|bel|dostavljeno|čaka|končano|plačano|kruh|oblačila
        |pohištvo|četrtek|mesec|češnja|hiša|učitelj|žival|večer|mačka""",
    "turkish": """İstanbul|İzmir|Diyarbakır|Şanlıurfa|Eskişehir|Gaziantep|Muğla|Kırşehir|Çanakkale|Ağrı|Iğdır
        |Nevşehir|Kahramanmaraş|Elazığ|Tekirdağ|Ankara|Bursa|Yılmaz|Şahin|Yıldız|Çelik|Öztürk|Aydın|Özdemir|Doğan
        |Kılıç|Ayşe|Gülşen|Çağlar|Uğur|İbrahim|evet|hayır|küçük|orta|büyük|kırmızı|yeşil|sarı|beyaz|teslim edildi
        |iptal|bekliyor|süt|peynir|yağ|giyim|sağlık|ay|hafta|salı|çarşamba|perşembe|günü""",
    "lithuanian": """Klaipėda|Šiauliai|Panevėžys|Marijampolė|Mažeikiai|Jonava|Utena|Kėdainiai|Telšiai|Visaginas
        |Tauragė|Ukmergė|Plungė|Kretinga|Šilutė|Vilnius|Kaunas|Kazlauskas|Žukauskas|Petrauskas|Šimkus|Čepaitis
        |Živilė|Rūta|Eglė|Jūratė|Ąžuolas|taip|ne|mažas|vidutinis|žalias|mėlynas|juodas|pristatyta|grąžinta
        |atšaukta|laukiama|mėsa|sūris|drabužiai|mėnuo|savaitė|šeštadienis|gegužė|rugsėjis|įmonė|ūkis|ėjimas|vyrų
        |moterų|pieštukų""",
    "latvian": """Rīga|Liepāja|Jūrmala|Rēzekne|Jēkabpils|Cēsis|Kuldīga|Sigulda|Talsi|Tukums|Valmiera|Ogre
        |Salaspils|Dobele|Līvāni|Krāslava|Bērziņš|Kalniņš|Ozoliņš|Jansons|Liepiņš|Krūmiņš|Ķēniņš|Jānis|Māris
        |Ilzīte|Pēteris|Ģirts|Žanis|jā|nē|mazs|vidējs|zaļš|dzeltens|melns|piegādāts|atcelts|gaida|maize|piens|gaļa
        |apģērbs|mēbeles|veselība|mēnesis|nedēļa|trešdiena|svētdiena|šķūnis|ēka|čakls""",
    "russian": """Москва|Санкт-Петербург|Новосибирск|Екатеринбург|Казань|Нижний Новгород|Челябинск|Самара|Омск
        |Ростов|Уфа|Красноярск|Воронеж|Пермь|Волгоград|Иванов|Смирнова|Кузнецов|Попов|Соколов|Ольга|Дмитрий|да|нет
        |малый|средний|большой|красный|зелёный|синий|доставлен|отменён|ожидает|хлеб|молоко|мясо|одежда|мебель
        |здоровье|месяц|неделя|вторник|пятница""",
    "ukrainian": """Київ|Харків|Одеса|Дніпро|Львів|Запоріжжя|Кривий Ріг|Миколаїв|Вінниця|Херсон|Полтава|Чернігів
        |Черкаси|Житомир|Суми|Шевченко|Бондаренко|Коваленко|Ткаченко|Олексій|Юлія|так|ні|малий|середній|великий
        |червоний|зелений|синій|доставлено|скасовано|очікує|хліб|молоко|м'ясо|одяг|меблі|здоров'я|місяць|тиждень
        |вівторок|п'ятниця|їжа""",
    "bulgarian": """София|Пловдив|Варна|Бургас|Русе|Стара Загора|Плевен|Сливен|Добрич|Шумен|Перник|Хасково|Ямбол
        |Благоевград|Враца|Иванов|Георгиева|Димитров|Петрова|Николай|да|не|малък|среден|голям|червен|зелен|жълт
        |доставена|отказана|чака|хляб|мляко|месо|дрехи|мебели|здраве|месец|седмица|вторник|петък""",
    "serbian": """Београд|Нови Сад|Ниш|Крагујевац|Суботица|Зрењанин|Панчево|Чачак|Краљево|Смедерево|Лесковац|Ужице
        |Ваљево|Врање|Јовановић|Петровић|Николић|Марковић|Ђорђевић|Љиљана|да|не|мали|средњи|велики|црвена|зелена
        |жута|испоручено|отказано|чека|хлеб|млеко|месо|одећа|намештај|здравље|месец|недеља|уторак|петак""",
    "greek": """Αθήνα|Θεσσαλονίκη|Πάτρα|Ηράκλειο|Λάρισα|Βόλος|Ιωάννινα|Τρίκαλα|Χαλκίδα|Σέρρες|Καβάλα|Κατερίνη
        |Καλαμάτα|Ρόδος|Χανιά|Παπαδόπουλος|Γεωργίου|Δημητρίου|Μαρία|Ελένη|ναι|όχι|μικρό|μεσαίο|μεγάλο|κόκκινο
        |πράσινο|μπλε|παραδόθηκε|ακυρώθηκε|εκκρεμεί|ψωμί|γάλα|κρέας|ρούχα|έπιπλα|υγεία|μήνας|εβδομάδα|Τρίτη
        |Παρασκευή""",
    "hebrew": """ירושלים|תל אביב|חיפה|ראשון לציון|פתח תקווה|אשדוד|נתניה|באר שבע|בני ברק|חולון|רמת גן|אשקלון|רחובות
        |בת ים|הרצליה|כהן|לוי|מזרחי|פרץ|ביטון|דהן|אברהם|כן|לא|קטן|בינוני|גדול|אדום|ירוק|כחול|נמסר|בוטל|ממתין|לחם
        |חלב|בשר|בגדים|רהיטים|בריאות|חודש|שבוע|שלישי|שישי""",
    "arabic": """القاهرة|الإسكندرية|الجيزة|بغداد|الرياض|جدة|مكة|دمشق|حلب|بيروت|عمان|الخرطوم|تونس|الجزائر
        |الدار البيضاء|محمد|أحمد|فاطمة|عائشة|خالد|نعم|لا|صغير|متوسط|كبير|أحمر|أخضر|أزرق|تم التسليم|ملغى
        |قيد الانتظار|خبز|حليب|لحم|ملابس|أثاث|صحة|شهر|أسبوع|الثلاثاء|الجمعة""",
    "thai": """กรุงเทพ|เชียงใหม่|ภูเก็ต|ขอนแก่น|นครราชสีมา|อุดรธานี|ชลบุรี|หาดใหญ่|พัทยา|อยุธยา|ลำปาง|สมชาย|สมหญิง
        |ประเสริฐ|วิชัย|สุดา|ใช่|ไม่ใช่|เล็ก|กลาง|ใหญ่|แดง|เขียว|น้ำเงิน|จัดส่งแล้ว|ยกเลิก|รอดำเนินการ|ขนมปัง|นม
        |เนื้อ|เสื้อผ้า|สุขภาพ""",
    "japanese": """東京|大阪|横浜|名古屋|札幌|神戸|京都|福岡|川崎|さいたま|広島|仙台|千葉|北九州|堺|佐藤|鈴木|高橋
        |田中|渡辺|伊藤|山本|はい|いいえ|小|中|大|赤|緑|青|配達済み|キャンセル|保留中|パン|牛乳|肉|衣類|家具|健康
        |月曜日|火曜日|金曜日""",
    "chinese": """北京|上海|广州|深圳|天津|重庆|成都|武汉|西安|南京|杭州|苏州|沈阳|青岛|大连|王伟|李娜|张敏|刘洋
        |陈静|杨帆|是|否|小号|中号|大号|红色|绿色|蓝色|已送达|已取消|等待中|面包|牛奶|猪肉|服装|家具|健康|星期二
        |星期五""",
    "taiwanese": """臺北|高雄|臺中|臺南|新竹|基隆|嘉義|桃園|彰化|屏東|宜蘭|花蓮|苗栗|南投|雲林|陳怡君|林志明
        |黃淑芬|張家豪|李雅婷|是|否|小型|中型|大型|紅色|綠色|藍色|已送達|已取消|等待中|麵包|牛奶|豬肉|服裝|傢俱
        |健康|星期二|星期五""",
    "korean": """서울|부산|인천|대구|대전|광주|울산|수원|창원|고양|용인|성남|청주|전주|천안|김민수|이영희|박철수
        |최지은|정수빈|예|아니오|작음|중간|큼|빨강|초록|파랑|배송완료|취소됨|대기중|빵|우유|고기|의류|가구|건강
        |화요일|금요일""",
}
WESTERN = tuple(_WORDS)[:14]
ENCODINGS = {
    **dict.fromkeys(WESTERN, ("cp1252",)),
    "german": ("cp1252", "iso8859-15", "cp850", "mac-roman"),
    "french": ("cp1252", "iso8859-15", "cp850", "mac-roman"),
    "estonian": ("cp1252", "cp1257"),
    **dict.fromkeys(("czech", "slovak", "polish", "hungarian"), ("cp1250", "iso8859-2", "cp852")),
    **dict.fromkeys(("romanian", "croatian", "slovenian"), ("cp1250", "iso8859-2")),
    "turkish": ("cp1254",),
    "lithuanian": ("cp1257",),
    "latvian": ("cp1257",),
    "russian": ("cp1251", "koi8-r", "cp866", "iso8859-5"),
    "ukrainian": ("cp1251", "koi8-u"),
    "bulgarian": ("cp1251",),
    "serbian": ("cp1251",),
    "greek": ("cp1253", "iso8859-7"),
    "hebrew": ("cp1255",),
    "arabic": ("cp1256",),
    "thai": ("cp874",),
    "japanese": ("cp932", "euc_jp"),
    "chinese": ("gb18030",),
    "taiwanese": ("cp950",),
    "korean": ("cp949",),
}


@dataclass(frozen=True, slots=True)
class Table:
    language: str
    codec: str
    text: str
    high_words: int  # number of distinct cells that are not ASCII

    @property
    def data(self) -> bytes:
        return self.text.encode(self.codec)


def make_tables(language: str, codec: str, count: int, seed: int = 0) -> Iterator[Table]:
    """Yield tables of 20 to 300 rows: two columns of numbers, one of names and one of categories."""
    rng = random.Random(f"{language} {codec} {seed}")
    words = [word.strip() for word in _WORDS[language].split("|")]
    words = [word for word in words if word == word.encode(codec, "ignore").decode(codec)]
    for _ in range(count):
        names = rng.sample(words, rng.randint(5, len(words)))
        categories = rng.sample(words, rng.randint(2, 5))
        delimiter, end = rng.choice(",;\t|"), rng.choice(["\n", "\r\n"])
        rows = [delimiter.join(["id", "name", "price", "group"])]
        for row in range(rng.randint(20, 300)):
            cells = [str(row), rng.choice(names), f"{rng.uniform(0, 100):.2f}", rng.choice(categories)]
            rows.append(delimiter.join(cells))
        text = end.join([*rows, ""])
        if not text.isascii():
            used = {cell for line in rows for cell in line.split(delimiter)}
            yield Table(language, codec, text, sum(not cell.isascii() for cell in used))


def is_read_right(table: Table, codec: str | None) -> bool:
    """Return whether ``codec`` decodes the table to its text; several encodings may do so."""
    try:
        return codec is not None and table.data.decode(codec) == table.text
    except (LookupError, UnicodeError):
        return False


def main() -> None:
    import charset_normalizer

    right: dict[str, Counter[str]] = {}
    for language, codecs in ENCODINGS.items():
        for codec in codecs:
            for table in make_tables(language, codec, 50):
                ours = detect_encoding(table.data, is_complete=True)
                normalized = charset_normalizer.from_bytes(table.data).best()
                readings = {
                    "ours": ours.codec if ours else None,
                    "chardet": chardet.detect(table.data)["encoding"],
                    "charset-normalizer": normalized.encoding if normalized else None,
                }
                is_few = "" if table.high_words >= 30 else ", fewer than 30 words"
                groups = {f"{language} {codec}", f"{'Western' if language in WESTERN else 'others'}{is_few}"}
                for group in groups:
                    count = right.setdefault(group, Counter())
                    count["tables"] += 1
                    count.update(name for name, reading in readings.items() if is_read_right(table, reading))
    for group, count in right.items():
        shares = (f"{name} {count[name] / count['tables']:.1%}" for name in ("ours", "chardet", "charset-normalizer"))
        sys.stdout.write(f"{group} ({count['tables']}): {', '.join(shares)}\n")


if __name__ == "__main__":
    main()
