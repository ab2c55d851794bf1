//! Languages: stemmers, stop words, and a cheap guess of a text's language.
//!
//! Owns the table of what Snowball stems; never splits text (that is `tokenize`).
//! Stop words follow the Snowball project's lists, shortened to what is frequent in manuals.

use std::collections::HashMap;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

use super::tokenize::units;

/// A row of [`TABLE`]; the default is English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Language(u8);

/// How many languages there are, [`Language::OTHER`] included.
pub(super) const LANGUAGES: usize = TABLE.len();

impl Language {
    /// A language that is neither stemmed nor stopped: Japanese, Polish.
    pub(super) const OTHER: Self = Self(18);

    /// What a tag such as `en`, `de-CH` or `pt_BR` names.
    pub(super) fn from_tag(tag: &str) -> Self {
        let code = primary(tag);
        let named = TABLE.iter().zip(0..).find(|(row, _)| row.code.eq_ignore_ascii_case(code));
        named.map_or(Self::OTHER, |(_, number)| Self(number))
    }

    /// The two-letter code; "" for [`OTHER`](Self::OTHER).
    pub(super) fn code(self) -> &'static str {
        self.row().map_or("", |row| row.code)
    }

    /// For arrays of [`LANGUAGES`] entries.
    pub(super) fn number(self) -> usize {
        usize::from(self.0)
    }

    /// Whether a folded word carries no meaning of its own.
    pub(super) fn stops(self, word: &str) -> bool {
        STOPS.get(word).is_some_and(|languages| languages >> self.0 & 1 == 1)
    }

    /// A stemmer, if Snowball has one for the language.
    pub(super) fn stemmer(self) -> Option<Stemmer> {
        Some(Stemmer::create(self.row()?.algorithm?))
    }

    /// The language whose stop words make up most of the text, if they are at least a tenth of it
    /// and more than a handful.
    pub(super) fn detect<'t>(texts: impl Iterator<Item = &'t str>) -> Option<Self> {
        let mut counts = [0_usize; LANGUAGES];
        let mut total = 0;
        let mut folded = String::new();
        for (text, unit) in
            texts.flat_map(|text| units(text).map(move |unit| (text, unit))).take(DETECT_WORDS)
        {
            total += 1;
            unit.fold_into(text, &mut folded);
            let Some(languages) = STOPS.get(folded.as_str()) else { continue };
            for (count, number) in counts.iter_mut().zip(0..) {
                *count += usize::from(languages >> number & 1 == 1);
            }
        }
        let counted = counts.into_iter().zip(0_u8..);
        let (count, best) = counted.max_by_key(|(count, number)| (*count, std::cmp::Reverse(*number)))?;
        (count >= LEAST_STOPS && count * 10 >= total).then_some(Self(best))
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.get(self.number())
    }
}

/// `de` of `de-CH`.
pub(super) fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// Fewer stop words than this tell nothing: many are words of several languages.
const LEAST_STOPS: usize = 4;

/// Each stop word with a bit for each language that has it.
static STOPS: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let mut stops = HashMap::new();
    for (row, number) in TABLE.iter().zip(0..) {
        for word in row.stops.split_ascii_whitespace() {
            *stops.entry(word).or_default() |= 1 << number;
        }
    }
    stops
});

/// Words looked at to guess a language.
const DETECT_WORDS: usize = 300;

struct Row {
    code: &'static str,
    algorithm: Option<Algorithm>,
    stops: &'static str,
}

const fn row(code: &'static str, algorithm: Algorithm, stops: &'static str) -> Row {
    Row { code, algorithm: Some(algorithm), stops }
}

static TABLE: [Row; 19] = [
    row("en", Algorithm::English, ENGLISH),
    row("de", Algorithm::German, GERMAN),
    row("fr", Algorithm::French, FRENCH),
    row("es", Algorithm::Spanish, SPANISH),
    row("ru", Algorithm::Russian, RUSSIAN),
    row("it", Algorithm::Italian, ITALIAN),
    row("pt", Algorithm::Portuguese, PORTUGUESE),
    row("nl", Algorithm::Dutch, DUTCH),
    row("sv", Algorithm::Swedish, SWEDISH),
    row("da", Algorithm::Danish, ""),
    row("no", Algorithm::Norwegian, ""),
    row("fi", Algorithm::Finnish, ""),
    row("hu", Algorithm::Hungarian, ""),
    row("ro", Algorithm::Romanian, ""),
    row("tr", Algorithm::Turkish, ""),
    row("el", Algorithm::Greek, ""),
    row("ar", Algorithm::Arabic, ""),
    row("ta", Algorithm::Tamil, ""),
    Row { code: "", algorithm: None, stops: "" },
];

const ENGLISH: &str = "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her \
hers herself it its itself they them their theirs themselves what which who whom this that these those am is are was \
were be been being have has had having do does did doing a an the and but if or because as until while of at by for \
with about against between into through during before after above below to from up down in out on off over under \
again further then once here there when where why how all any both each few more most other some such no nor not \
only own same so than too very s t can cannot will would should could don just now ll re ve d isn aren wasn weren \
hasn haven hadn doesn didn won shan couldn";

const GERMAN: &str = "aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes auch \
auf aus bei bin bis bist da damit dann der den des dem die das dass daß derselbe dein deine deinem deinen deiner denn \
dazu dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines einige einigem \
einigen er es etwas euch euer eure für gegen gewesen hab habe haben hat hatte hatten hier hin hinter ich mich mir ihr \
ihre ihrem ihren ihrer ihres im in indem ins ist jede jedem jeden jeder jedes jene jener jetzt kann kein keine keinem \
keinen keiner können könnte machen man manche mein meine mit muss müssen nach nicht nichts noch nun nur ob oder ohne \
sehr sein seine seinem seinen seiner seines selbst sich sie sind so solche soll sollen sollte sondern sonst über um \
und uns unser unter viel vom von vor während war waren was weg weil weiter welche welchem welchen welcher welches \
wenn werde werden wie wieder will wir wird wirst wo wollen würde würden zu zum zur zwar zwischen";

const FRENCH: &str = "au aux avec ce ces cet cette ceci cela dans de des du elle elles en et eux il ils je la le les leur \
leurs lui ma mais me même mes moi mon ne nos notre nous on ou où par pas pour qu que qui quoi sa se ses si son sur ta \
te tes toi ton tu un une vos votre vous c d j l à m n s t y été étée être est sont était étaient sera seront soit ont \
a ai as avez avons avoir avait aura ayant comme donc dont entre lorsque quand sans sous tout toute tous toutes très \
aussi ainsi alors afin plus peut peuvent chaque quel quelle";

const SPANISH: &str = "de la que el en y a los del se las por un para con no una su al lo como más pero sus le ya o este sí \
porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra \
otros ese eso ante ellos e esto mí antes algunos qué unos yo otro otras otra él tanto esa estos mucho quienes nada \
muchos cual poco ella estar estas algunas algo nosotros mi mis tú te ti tu tus ellas si es son era eran fue fueron ser \
ha han haber había sea puede pueden está están cada cualquier";

const RUSSIAN: &str = "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было \
вот от меня еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам \
ведь там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего раз тоже \
себе под будет ж тогда кто этот того потому этого какой совсем ним здесь этом один почти мой тем чтобы нее сейчас были \
куда зачем всех никогда можно при наконец два об другой хоть после над больше тот через эти нас про всего них какая \
много разве три эту моя впрочем хорошо свою этой перед иногда лучше чуть том нельзя такой им более всегда конечно всю \
между это эта также";

const ITALIAN: &str = "ad al allo ai agli alla alle con col da dal dalla dalle di del dello dei degli della delle in nel \
nella nelle su sul sulla per tra contro io tu lui lei noi voi loro mio suo sua che chi cui non come dove quale quanto \
quando e è o ma se perché anche un uno una il lo la i gli le questo questa sono essere ha hanno può più";

const PORTUGUESE: &str = "de a o que e do da em um para com não uma os no se na por mais as dos como mas ao ele das à seu \
sua ou quando muito nos já eu também só pelo pela até isso ela entre depois sem mesmo aos seus quem nas me esse eles \
você essa num nem suas meu às minha numa pelos elas qual nós lhe deles este esta é são está ser pode foi";

const DUTCH: &str = "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou \
of wat mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze want nog \
zal me zij nu ge geen omdat iets worden wordt toch al waren veel meer doen toen moet ben zonder kan hun dus alles onder";

const SWEDISH: &str = "och det att i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig \
du henne då sin nu har inte hans honom skulle hennes där min man ej vid kunde något från ut när efter upp vi dem vara \
vad över än dig kan sina här ha mot alla under någon eller allt mycket sedan detta";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_languages_whatever_their_region() {
        assert_eq!(Language::from_tag("de-CH").code(), "de");
        assert_eq!(Language::from_tag("PT_br").code(), "pt");
        assert_eq!(Language::from_tag("ja"), Language::OTHER);
    }

    #[test]
    fn text_shows_its_language_by_its_small_words() {
        for (code, text) in [
            ("en", "How the server is started and what it needs"),
            ("de", "Wie der Server gestartet wird und was er braucht"),
            ("fr", "Comment le serveur est lancé et ce dont il a besoin"),
            ("es", "Cómo se inicia el servidor y lo que necesita"),
            ("ru", "Как запускается сервер и что ему нужно"),
        ] {
            assert_eq!(Language::detect([text].into_iter()).map(Language::code), Some(code), "{text}");
        }
        assert_eq!(Language::detect(["0 1 2 3"].into_iter()), None);
    }
}
