package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;

/** Runs commands in this JVM, as {@link Main#main} does in one of its own. */
final class CliRunner {
    private CliRunner() {}

    /**
     * @param bytes what was printed
     * @param err what was said
     */
    record Result(int code, byte[] bytes, String err) {
        String out() {
            return new String(bytes, UTF_8);
        }

        List<String> errLines() {
            return err.lines().toList();
        }

        List<String> outLines() {
            return out().lines().toList();
        }
    }

    static Result run(String... arguments) {
        return runWith(new byte[0], arguments);
    }

    static Result runWith(byte[] standardIn, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Console console = new Console(new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8), false);
        int code = Main.run(Shell.of(new ByteArrayInputStream(standardIn), console, new Interruption()), arguments);
        return new Result(code, out.toByteArray(), err.toString(UTF_8));
    }
}
