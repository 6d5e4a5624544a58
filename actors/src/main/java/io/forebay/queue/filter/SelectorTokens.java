package io.forebay.queue.filter;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import org.apache.activemq.artemis.selector.strict.SimpleCharStream;
import org.apache.activemq.artemis.selector.strict.StrictParserConstants;
import org.apache.activemq.artemis.selector.strict.StrictParserTokenManager;
import org.apache.activemq.artemis.selector.strict.Token;
import org.apache.activemq.artemis.selector.strict.TokenMgrError;

/** The words of a selector, as Artemis' scanner finds them, each with its place in the filter's text. Confined to one thread. */
final class SelectorTokens {
    /** A word; {@code from} is its first character in the filter's text. */
    record Word(int kind, String image, int from) {
        boolean is(int wanted) {
            return kind == wanted;
        }

        /** Signs have no name in the library. */
        boolean is(String sign) {
            return kind > StrictParserConstants.QUOTED_ID && image.equals(sign);
        }
    }

    private final String text;
    private final List<Word> words = new ArrayList<>();
    private int next;

    private SelectorTokens(String text) {
        this.text = text;
    }

    /** @throws FilterSyntaxException at the first character that belongs to no word */
    static SelectorTokens of(String text, int from) {
        SelectorTokens tokens = new SelectorTokens(text);
        tokens.scan(from);
        return tokens;
    }

    private void scan(int from) {
        String expression = text.substring(from);
        int[] lines = lineStarts(expression);
        SimpleCharStream characters = new SimpleCharStream(new StringReader(expression));
        characters.setTabSize(1);
        StrictParserTokenManager scanner = new StrictParserTokenManager(characters);
        int end = 0;
        try {
            Token token;
            do {
                token = scanner.getNextToken();
                boolean isEnd = token.kind == StrictParserConstants.EOF;
                int begin = isEnd ? expression.length() : lines[token.beginLine - 1] + token.beginColumn - 1;
                words.add(new Word(token.kind, isEnd ? "" : token.image, from + begin));
                end = begin + token.image.length();
            } while (token.kind != StrictParserConstants.EOF);
        } catch (TokenMgrError e) {
            int at = firstOfWord(expression, end);
            String found = at < expression.length() ? "'" + expression.charAt(at) + "'" : "the end";
            throw new FilterSyntaxException(
                    text,
                    from + at + 1,
                    found,
                    found.equals("'''") || found.equals("'\"'")
                            ? "a text that is closed by the same quote"
                            : found.equals("'!'")
                                    ? "<> for 'not equal'"
                                    : "a word, a number, a quoted text or an operator");
        }
    }

    /** Begin of each line, as the library counts them. */
    private static int[] lineStarts(String expression) {
        List<Integer> starts = new ArrayList<>(List.of(0));
        for (int index = 0; index < expression.length(); index++) {
            char c = expression.charAt(index);
            boolean isPair = c == '\r' && index + 1 < expression.length() && expression.charAt(index + 1) == '\n';
            if ((c == '\r' && !isPair) || c == '\n') {
                starts.add(index + 1);
            }
        }
        return starts.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Behind spaces and comments. */
    private static int firstOfWord(String expression, int from) {
        int at = from;
        while (at < expression.length()) {
            if (" \t\n\r\f".indexOf(expression.charAt(at)) >= 0) {
                at++;
            } else if (expression.startsWith("--", at)) {
                int lineEnd = expression.indexOf('\n', at);
                at = lineEnd < 0 ? expression.length() : lineEnd + 1;
            } else if (expression.startsWith("/*", at) && expression.indexOf("*/", at + 2) >= 0) {
                at = expression.indexOf("*/", at + 2) + 2;
            } else {
                return at;
            }
        }
        return at;
    }

    /** The next word, which is not taken; the last is the end. */
    Word peek() {
        return words.get(next);
    }

    /** The one behind it, or the end. */
    Word peekSecond() {
        return words.get(Math.min(next + 1, words.size() - 1));
    }

    Word take() {
        Word word = words.get(next);
        next = Math.min(next + 1, words.size() - 1);
        return word;
    }

    boolean takeIf(int kind) {
        return peek().is(kind) && take() != null;
    }

    boolean takeIf(String sign) {
        return peek().is(sign) && take() != null;
    }

    FilterSyntaxException wrong(Word word, String expected) {
        String found = word.is(StrictParserConstants.EOF) ? "the end" : "'" + word.image() + "'";
        return wrong(word.from(), found, expected);
    }

    /** @param from 0-based, in the filter's text */
    FilterSyntaxException wrong(int from, String found, String expected) {
        return new FilterSyntaxException(text, from + 1, found, expected);
    }
}
