"""Spellings of dates by programs and languages, and the rules that rewrite them. Standard library only.

The expressions mean the same in Python's and in polars' engine: character classes are written out, and no rule
ignores case.
"""

from __future__ import annotations

__all__ = ["ABBREVIATED_ZONE", "LETTERS", "MONTH_NUMBERS", "REWRITES", "ZONES"]

LETTERS = "A-Za-zÄÉÛÇäéûç"  # letters of the names of months

_MONTHS = (  # English, German, French, Spanish, Italian, Portuguese, Dutch
    "jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari",
    "feb february februar feber février fevrier févr fév fev febrero febbraio fevereiro februari",
    "mar march märz maerz mär mrz mars marzo março marco maart mrt",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei",
    "jun june juni juin junio giugno giu junho",
    "jul july juli juillet juil julio luglio lug julho",
    "aug august août aout agosto ago augustus",
    "sep sept september septembre septiembre setiembre settembre sett set setembro",
    "oct october oktober okt octobre octubre ottobre ott outubro out",
    "nov november novembre noviembre novembro",
    "dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro",
)
MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}

_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tues tue wed thurs thur thu fri sat sun",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag mo di mi do fr sa so",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica maandag dinsdag woensdag donderdag vrijdag zaterdag",
    "zondag",
)
_WEEKDAY = "|".join(f"{name}|{name.title()}|{name.upper()}" for names in _WEEKDAYS for name in names.split())

_DAY, _NAME, _YEAR = r"([0-9]{1,2})", rf"([{LETTERS}]{{3,10}})", r"([0-9]{4}|[0-9]{2})"
_CENTURIES = r"(?:1[5-9]|2[01])[0-9]{2}"
_COMPACT = rf"^({_CENTURIES})([0-9]{{2}})([0-9]{{2}})[Tt ]([0-9]{{2}}):?([0-9]{{2}})"
_ORDINAL = r"(?:st|nd|rd|th|er|[º°.])"
_CLOCK = r".*[0-9][:.][0-9]{2}"

# Applied in this order: one rule may rewrite a text so that the next rule matches it.
REWRITES = (
    (r"^\[(.*)\]$", "${1}"),
    # A weekday before a date is removed; before a time of day without a date it would be information.
    (rf"^(?:{_WEEKDAY})[.,]{{0,2}} +([0-9]{{1,4}}[-/. a-z].*|[{LETTERS}].*)$", "${1}"),
    (r"^(.*[0-9]) ?\([A-Za-z ]+\)$", "${1}"),  # GMT+0100 (Central European Standard Time)
    (r"^(.*[0-9]) ?(?:[Uu]hr|UHR)( .*)?$", "${1}${2}"),
    # 2024年1月5日(金) 10時05分
    (r"^(.*[0-9])[時时시] ?([0-9]{2})[分분] ?([0-9]{2})[秒초]$", "${1}:${2}:${3}"),
    (r"^(.*[0-9])[時时시] ?([0-9]{2})[分분]$", "${1}:${2}"),
    (
        r"^([0-9]{4})[年년] ?([0-9]{1,2})[月월] ?([0-9]{1,2})[日일] ?"
        r"(?:[(（][月火水木金土日월화수목금토일][)）])?(.*)$",
        "${1}-${2}-${3} ${4}",
    ),
    (r"^([0-9]{4})[年년] ?([0-9]{1,2})[月월]$", "${1}-${2}"),
    # 01/Jan/2024:10:00:00, 05FEB2024:10:00:00
    (rf"^{_DAY}/{_NAME}/{_YEAR}(?:[: ](.*))?$", "${1} ${2} ${3} ${4}"),
    (rf"^{_DAY}([A-Za-z]{{3}}){_YEAR}(?:[: ]([0-9]{{1,2}}[:.].*))?$", "${1} ${2} ${3} ${4}"),
    # 20240105T101500Z
    (rf"{_COMPACT}:?([0-9]{{2}})(.*)$", "${1}-${2}-${3} ${4}:${5}:${6}${7}"),
    (rf"{_COMPACT}([^0-9:].*)?$", "${1}-${2}-${3} ${4}:${5}${6}"),
    # Apr 06 22:19:49 +0000 2009
    (
        rf"^{_NAME} +{_DAY} +([0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?)(?: +([A-Z]{{3,4}}|[+-][0-9]{{2}}:?[0-9]{{2}}))?"
        rf" +([0-9]{{4}})$",
        "${1} ${2}, ${5} ${3} ${4}",
    ),
    # 5. März 2024, 5 de marzo de 2024, 5th of March 2024; March 5th, 2024
    (
        rf"^{_DAY}{_ORDINAL}? *(?:(?:of|de) +)?{_NAME}\.?,?[ -]*(?:(?:de|del) +)?{_YEAR}([ ,T].*)?$",
        "${1} ${2} ${3}${4}",
    ),
    (rf"^{_NAME}\.? +{_DAY}(?:st|nd|rd|th)?,? +([0-9]{{4}})([ ,T].*)?$", "${1} ${2}, ${3}${4}"),
    (rf"^{_NAME}\.?,?[ /-]+(?:(?:of|de|del) +)?({_CENTURIES})$", "1 ${1} ${2}"),  # a month means its first day
    # Offsets: GMT+1, UTC-05:00, hours only
    (rf"^({_CLOCK}.*?) ?(?:UTC|GMT)([+-])([0-9](?::?[0-9]{{2}})?)$", "${1}${2}0${3}"),
    (rf"^({_CLOCK}.*?) ?(?:UTC|GMT)([+-][0-9]{{2}}.*)$", "${1}${2}"),
    (rf"^({_CLOCK}[^+-]*[+-][0-9]{{2}})$", "${1}:00"),
    (r"^(.*[^ ]) +$", "${1}"),
)
# Two groups: text that ends in a time of day, and the abbreviated time zone. CST is the American zone, BST the British.
ABBREVIATED_ZONE = rf"^({_CLOCK}.*?) ?([A-Z]{{3,4}})$"
ZONES = {
    "EDT": "-04:00", "EST": "-05:00", "CDT": "-05:00", "CST": "-06:00", "MDT": "-06:00", "MST": "-07:00",
    "PDT": "-07:00", "PST": "-08:00", "BST": "+01:00", "CET": "+01:00", "MEZ": "+01:00", "CEST": "+02:00",
    "MESZ": "+02:00", "WET": "+00:00", "WEST": "+01:00", "EET": "+02:00", "EEST": "+03:00",
}  # fmt: skip
