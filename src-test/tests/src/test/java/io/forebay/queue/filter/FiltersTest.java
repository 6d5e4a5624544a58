package io.forebay.queue.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.MessageRecord;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What filters mean, by table, and where they are refused. */
class FiltersTest {
    private static final MessageRecord MESSAGE = message(Map.of(
            "price",
            "100.5",
            "count",
            "7",
            "region",
            "EU",
            "isVip",
            "true",
            "name",
            "50%_off",
            "big",
            "9223372036854775807",
            "dead-letter.group",
            "g",
            "ID",
            "own"));

    private static MessageRecord message(Map<String, String> properties) {
        return MessageRecord.builder()
                .id("m-1")
                .body(new byte[0])
                .tag("TagA")
                .keys("k1\u001Fk\\\\2")
                .messageGroup("order-1")
                .priority(4)
                .bornMillis(1_700_000_000_000L)
                .properties(new TreeMap<>(properties))
                .build();
    }

    private static boolean matches(String filter) {
        return Filters.parse(filter).matches(MESSAGE, Map.of());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "*", " * ", "tag: *", "TAG:*"})
    void everyMessageIsWanted(String text) {
        assertThat(Filters.parse(text)).isSameAs(MessageFilter.ALL);
    }

    @Test
    void tags() {
        assertThat(matches("tag: TagA")).isTrue();
        assertThat(matches("tag:TagB||TagA")).isTrue();
        assertThat(matches("  TAG :  TagB  ||  TagA  ")).isTrue();
        assertThat(matches("tag: taga")).isFalse();
        assertThat(matches("tag: TagB || TagC")).isFalse();
        MessageRecord untagged = MessageRecord.builder().id("x").build();
        assertThat(Filters.parse("tag: TagA").matches(untagged, Map.of())).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "price > 100 AND region = 'EU'",
                "price > 100",
                "price >= 100.5",
                "price = 100.50",
                "price < 1.01e2",
                "count = 07",
                "count = 0x7",
                "count = 7L",
                "count <> 8",
                "big = 9223372036854775807",
                "big > 9223372036854775806",
                "big < 9223372036854775808",
                "count + 1 = 8",
                "count - -1 = 8",
                "count * 2 + 1 = 15",
                "1 + count * 2 = 15",
                "count / 2 = 3.5",
                "count % 4 = 3",
                "-count = -7",
                "big + 1 > big",
                "count BETWEEN 7 AND 8",
                "count NOT BETWEEN 8 AND 9",
                "count between 5 + 1 and 6 + 1 and true",
                "region IN ('US', 'EU')",
                "region NOT IN ('US')",
                "region LIKE 'E_'",
                "region LIKE '%'",
                "region LIKE 'EU%'",
                "name LIKE '50\\%\\_off' ESCAPE '\\'",
                "name LIKE '50!%!_%' ESCAPE '!'",
                "region NOT LIKE 'e%'",
                "missing IS NULL",
                "region IS NOT NULL",
                "(missing > 1) IS NULL",
                "(count / 0) IS NULL",
                "(count % 0) IS NULL",
                "missing > 1 OR TRUE",
                "NOT (missing > 1 AND FALSE)",
                "isVip",
                "isVip = TRUE",
                "isVip <> FALSE",
                "NOT missing = 1 OR TRUE",
                "NOT count = 8",
                "NOT NOT count = 7",
                "region = 'EU' = TRUE",
                "region = \"region\"",
                "region <> name",
                "TAG = 'TagA' AND TAGS = 'TagA'",
                "KEYS LIKE '%k\\2'",
                "KEYS = 'k1 k\\2'",
                "MESSAGE_GROUP = 'order-1'",
                "PRIORITY = 4",
                "PRIORITY IN ('3', '4')",
                "BORN_MILLIS >= 1700000000000",
                "LANE IS NULL",
                "ID = 'm-1' AND \"ID\" = 'own'",
                "\"dead-letter.group\" = 'g'",
                "region = 'EU' -- a comment\n AND /* another */ count = 7",
                "FALSE OR FALSE AND FALSE OR TRUE",
                "TRUE OR TRUE AND FALSE",
                "'it''s' = 'it''s'",
                "'ä' <> 'b'",
                "1 = 1.0",
            })
    void isTrue(String expression) {
        assertThat(matches("sql: " + expression)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "price > 100.5",
                "price > 1000",
                "region = 'eu'",
                "missing = missing",
                "missing <> 1",
                "NOT (missing = 1)",
                "missing NOT IN ('a')",
                "missing NOT LIKE 'a'",
                "missing NOT BETWEEN 1 AND 2",
                "NOT missing",
                "missing",
                "NULL",
                "NOT NULL",
                "region > 1",
                "NOT (region > 1)",
                "region + 1 = 1",
                "region",
                "NOT region",
                "count / 0 > 1",
                "count % 0 = 0 OR FALSE",
                "NOT (missing > 1 OR FALSE)",
                "missing > 1 AND TRUE",
                "region LIKE ''",
                "region LIKE '_'",
                "region LIKE '___'",
                "name LIKE '50!%' ESCAPE '!'",
                "big > 9223372036854775807",
                "count = '7.0'",
                "region IN ('E', 'U')",
                "PRIORITY > 4",
                "NOT TRUE OR FALSE",
            })
    void isNotTrue(String expression) {
        assertThat(matches("sql: " + expression)).isFalse();
    }

    @Test
    void numbersInTexts() {
        MessageFilter isNumber = Filters.parse("sql: x = x + 0 OR x + 0 IS NOT NULL");
        for (String number :
                new String[] {"0", "-1", "+1", "1.", ".5", "1e3", "-1.5E-3", "00012", "123456789012345678901"}) {
            assertThat(isNumber.matches(message(Map.of("x", number)), Map.of()))
                    .as(number)
                    .isTrue();
        }
        for (String text : new String[] {
            "", " 1", "1 ", "0x10", "1d", "NaN", "Infinity", "1e", "--1", "-", ".", "1e999", "1".repeat(200)
        }) {
            assertThat(isNumber.matches(message(Map.of("x", text)), Map.of()))
                    .as(text)
                    .isFalse();
        }
    }

    @Test
    void wholeNumbersAndDoublesAreComparedExactly() {
        assertThat(SqlNumber.compare(9007199254740993L, 9007199254740992.0)).isPositive();
        assertThat(SqlNumber.compare(9007199254740992.0, 9007199254740993L)).isNegative();
        assertThat(SqlNumber.compare(Long.MAX_VALUE, 0x1p63)).isNegative();
        assertThat(SqlNumber.compare(Long.MIN_VALUE, -0x1p63)).isZero();
        assertThat(SqlNumber.compare(0L, -0.0)).isZero();
        assertThat(SqlNumber.compare(0.0, -0.0)).isZero();
        assertThat(SqlNumber.compare(3L, 3.5)).isNegative();
        assertThat(SqlNumber.compare(-3L, -3.5)).isPositive();
    }

    @Test
    void whatAnEntryAddsComesFirst() {
        MessageFilter filter = Filters.parse("sql: region = 'US' AND count = 7 AND extra = 'yes'");
        assertThat(filter.matches(MESSAGE, Map.of("region", "US", "extra", "yes")))
                .isTrue();
        assertThat(filter.matches(MESSAGE, Map.of())).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '@',
            quoteCharacter = '`',
            value = {
                "price > 100 @ 1 @ 'tag:",
                "nonsense: x @ 1 @ 'sql:",
                "tag: @ 5 @ a tag",
                "tag: a | b @ 8 @ '||'",
                "tag: a || @ 10 @ a tag",
                "tag: a || || b @ 11 @ a tag",
                "sql: @ 5 @ a property",
                "sql: price > @ 13 @ a property",
                "sql: price ! 100 @ 12 @ <>",
                "sql: price == 100 @ 13 @ a property",
                "sql: price > 100 AND @ 21 @ a property",
                "sql: price > 100 x @ 18 @ AND, OR",
                "sql: (price > 100 @ 18 @ )",
                "sql: price > 'a' @ 14 @ a number",
                "sql: price + 'a' > 1 @ 14 @ a number",
                "sql: price + 1 @ 6 @ a condition",
                "sql: TRUE AND 5 @ 15 @ a condition",
                "sql: region = 'EU @ 15 @ closed",
                "sql: region IN (1) @ 17 @ quoted",
                "sql: region IN ('a' 'b') @ 21 @ , or )",
                "sql: 'a' IN ('a') @ 6 @ a property before IN",
                "sql: region LIKE 5 @ 18 @ quoted pattern",
                "sql: region LIKE 'a' ESCAPE 'ab' @ 29 @ one quoted character",
                "sql: count + 1 LIKE 'a' @ 6 @ a property before LIKE",
                "sql: price BETWEEN 1 OR 2 @ 22 @ AND",
                "sql: price IS 5 @ 15 @ NULL or NOT NULL",
                "sql: price = NULL @ 14 @ IS NULL",
                "sql: price = 5 = 'x' @ 18 @ a condition",
                "sql: 'a' = 5 @ 12 @ a text",
                "sql: a # b @ 8 @ operator",
                "sql: ä = 1 @ 6 @ operator",
                "sql: a NOT = 1 @ 12 @ LIKE, BETWEEN or IN",
                "sql: a > 0xFFFFFFFFFFFFFFFFF @ 10 @ 64 bits",
                "sql: a > 1e999 @ 10 @ a double",
                "sql: XPATH 'a' @ 6 @ double quotes",
                "sql: a > 1 /* @ 13 @ a property",
                "sql: 08 > a @ 7 @ =",
            })
    void aBadFilterIsRefusedWithColumnAndWhatIsExpected(String filter, int column, String expected) {
        assertThatThrownBy(() -> Filters.parse(filter)).isInstanceOfSatisfying(FilterSyntaxException.class, refused -> {
            assertThat(refused).hasMessageContaining("'" + filter + "' is wrong at column " + column + ": found ");
            assertThat(refused.column()).isEqualTo(column);
            assertThat(refused.expected()).contains(expected);
        });
    }

    @Test
    void columnsCountOverLinesAndTabs() {
        for (String lineEnd : new String[] {"\n", "\r\n", "\r", "\t"}) {
            String filter = "sql: a = 1 AND" + lineEnd + "b = 'x" + lineEnd + "y' AND ?";
            assertThatThrownBy(() -> Filters.parse(filter))
                    .isInstanceOfSatisfying(
                            FilterSyntaxException.class,
                            refused -> assertThat(refused.column()).isEqualTo(filter.length()));
            String ended = "sql: a = 1 AND" + lineEnd + "b ='x" + lineEnd + "y' AND AND";
            assertThatThrownBy(() -> Filters.parse(ended))
                    .isInstanceOfSatisfying(
                            FilterSyntaxException.class,
                            refused -> assertThat(refused.column()).isEqualTo(ended.length() - 2));
        }
    }

    @Test
    void lengthAndNestingAreBounded() {
        for (String filter : new String[] {
            "sql: " + "(".repeat(10_000) + "TRUE" + ")".repeat(10_000),
            "sql: " + "(".repeat(4_000),
            "sql: " + "(".repeat(100) + "TRUE" + ")".repeat(100),
            "sql: " + "NOT ".repeat(1_000) + "TRUE",
            "sql: " + "- ".repeat(2_000) + "1 = 1",
            "sql: " + "+ ".repeat(2_000) + "1 = 1",
            "sql: 1" + "+1".repeat(2_000) + " = 1",
            "sql: a" + "= TRUE".repeat(500),
            "sql: " + "a IS NULL ".repeat(1) + "IS NULL ".repeat(500),
            "sql: a LIKE '" + "%a".repeat(200) + "'",
            "tag: " + "a".repeat(5_000),
        }) {
            assertThatThrownBy(() -> Filters.parse(filter))
                    .isInstanceOf(FilterSyntaxException.class)
                    .hasMessageContaining("at most")
                    .satisfies(
                            refused -> assertThat(refused.getMessage().length()).isLessThan(500));
        }
        assertThat(matches("sql: " + "(".repeat(60) + "TRUE" + ")".repeat(60))).isTrue();
        assertThat(matches("sql: count = 7" + " OR a = 1".repeat(400))).isTrue();
    }

    @Test
    void aPatternMadeToBacktrackIsMatchedInBoundedTime() {
        String text = "a".repeat(30_000);
        MessageFilter filter = Filters.parse("sql: x LIKE '" + "%a".repeat(100) + "%b'");
        boolean isMatched = assertTimeoutPreemptively(
                Duration.ofMinutes(1),
                () -> filter.matches(message(Map.of("x", text)), Map.of()),
                "a backtracking matcher takes years");
        assertThat(isMatched).isFalse();
    }
}
