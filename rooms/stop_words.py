"""Words that say nothing of what a conversation is about, in some widely written languages."""

from __future__ import annotations

_ENGLISH = """
a about after again all also am an and any anybody anyone anything are as at be because been before being
but by can cannot could did do does doing done dont down each else ever every everything few for from get
give go going good got had has have having he hello help her here hey hi him his how i i'd i'll i'm i've if
in into is isn't it it's its just know let let's like look make many may maybe me might more most much must
my need never next no nobody not nothing now of off ok okay on one only or other our out over please put
really right said same say see she should so some somebody someone something sorry still such sure take tell
than thank thanks that that's the their them then there these they they're thing things think this those
though through to too try trying two under until up us use very want was way we well were what what's when
where which while who why will with without won't would yes yet you you're your
"""
_GERMAN = """
aber alle alles als also am an auch auf aus bei beim bin bis bist bitte da damit dann danke das dass dein
deine dem den denn der des dich die dies diese dir doch dort du durch ein eine einem einen einer eines er es
etwas euch euer für gegen gehen geht genau gibt gut habe haben hallo hat hatte hier ich ihm ihn ihr ihre im
immer in ist ja jede jetzt kann kannst kein keine können machen mal man mehr mein meine mich mir mit möchte
muss müssen nach nein nicht nichts noch nun nur ob oder ohne okay schon sehr sein seine sich sie sind so
soll sollte sondern um und uns unser unter viel vom von vor war warum was weil wenn wer werden wie wieder
will wir wird wo wollen wurde würde zu zum zur zwischen über
"""
_FRENCH = """
ai aller alors après as au aussi autre aux avec avez avoir avons bien bonjour ça ce cela ces cet cette chez
comme comment dans de des deux dois donc dont du elle elles en encore es est et été être eu faire fait faut
fois ici il ils je la le les leur leurs lui ma mais me merci mes moi mon ne non nos notre nous on ont ou où
oui par pas peut peux plus pour pourquoi pouvez qu quand que quel quelle quelque qui quoi sa salut sans se
ses si son sont sous suis sur ta te tes toi ton tous tout toute très tu un une va vais veux voici voilà vos
votre vous
"""
_SPANISH = """
al algo algún como con cómo cual cuando cuándo de del desde donde dónde dos el él ella ellas ellos en entre
era eres es esa ese eso esta está están este esto estoy fue gracias ha hace hacer hasta hay hola la las le
les lo los más me mi mis mucho muy nada ni no nos nosotros nuestro o otra otro para pero poco podemos por
porque puede puedes puedo que qué quien quiero se sea ser si sí sin sobre solo son soy su sus también te
tengo tiene tienes todo todos tu tus un una unas uno unos usted va vamos voy ya yo
"""
_ITALIAN = """
abbiamo ad ai al alla alle allo anche ancora avere che chi ci ciao come con cosa così da dal dalla dei del
della delle di dopo dove due ed era essere fa fare gli grazie ha hai ho il in io la le lei li lo loro lui ma
me mi mia mio molto ne nel nella no noi non nostro o ogni per perché più poi posso può puoi quale quando
quello questa questo qui se sei senza si sia sono su sua sul sulla suo ti tra tu tua tuo tutti tutto un una
uno va vorrei
"""
_PORTUGUESE = """
ao aos as até bem com como da das de dela dele depois do dos ela elas ele eles em entre era essa esse está
estão este estou eu fazer foi fui isso isto já lhe mais mas me mesmo meu meus minha muito na nas não no nos
nós nossa nosso num numa obrigado olá onde ou para pela pelo pode podem por porque posso qual quando que
quem quero se sem ser seu seus só sobre sua suas também te tem tenho ter teu toda todo todos tua tudo um uma
umas uns vai você vocês vou
"""
_RUSSIAN = """
а без бы был была были было быть в вам вас ваш во вот все всё вы где да для до его её если есть ещё же за
здесь и из или им их к как какой когда который кто ли меня мне может можно мой мы на надо наш не него нее
нет ни них но ну о об он она они оно от по под после потом потому почему привет при просто с сам со спасибо
так также такой там тебе тебя то тоже только тот ты у уже хочу что чтобы это этот я
"""

STOP_WORDS = frozenset(
    word
    for language in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _RUSSIAN)
    for word in language.split()
)
