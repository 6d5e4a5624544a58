package io.forebay.cli;

import com.typesafe.config.ConfigException;
import io.forebay.protocol.ForebayException;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Entry of the launcher: {@code actors/bin/forebay}. */
public final class Main {
    private static final String LOGBACK_FILE = "logback.configurationFile";
    private static final String LOG_LEVEL = "forebay-launcher.log.level";

    private Main() {}

    /** Runs one command and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        PrintStream out = System.out;
        // Whatever a library prints is talk, not a result.
        System.setOut(System.err);
        if (System.getProperty(LOGBACK_FILE) == null) {
            System.setProperty(LOGBACK_FILE, "forebay-launcher-logback.xml");
        }
        if (System.getProperty(LOG_LEVEL) == null) {
            // A client says itself what becomes of its connections; a node's log is all that is known of it.
            System.setProperty(LOG_LEVEL, List.of(arguments).contains("node") ? "WARN" : "ERROR");
        }
        boolean isErrTerminal =
                System.getProperty("forebay-launcher.terminal", "").contains("2");
        Interruption interruption = new Interruption();
        interruption.install();
        int code = run(Shell.of(System.in, new Console(out, System.err, isErrTerminal), interruption), arguments);
        interruption.ended();
        System.exit(code);
    }

    /** Runs one command; returns when it has ended. */
    static int run(Shell shell, String... arguments) {
        try {
            return commandLine(shell)
                    .execute(Stream.of(arguments).map(HandleText::asArgument).toArray(String[]::new));
        } catch (Error e) {
            // Picocli hands on exceptions only; without this the JVM would live on with threads of Akka.
            return failed(shell, e);
        }
    }

    static CommandLine commandLine(Shell shell) {
        CommandLine commandLine = new CommandLine(ForebayCommand.class, new Factory(shell));
        commandLine.setUsageHelpWidth(100);
        commandLine.setUsageHelpAutoWidth(true);
        commandLine.setExpandAtFiles(false);
        commandLine.setAbbreviatedOptionsAllowed(false);
        commandLine.setExecutionStrategy(parsed -> {
            int code = new CommandLine.RunLast().execute(parsed);
            shell.console().flush();
            return code;
        });
        commandLine.setParameterExceptionHandler((e, given) -> notUnderstood(shell, e));
        commandLine.setExecutionExceptionHandler((e, failed, parsed) -> failed(shell, e));
        PrintStream results = new PrintStream(new ResultStream(shell.console()), true);
        commandLine.setOut(new java.io.PrintWriter(results, true, java.nio.charset.StandardCharsets.UTF_8));
        return commandLine;
    }

    private static int notUnderstood(Shell shell, ParameterException e) {
        CommandLine failed = e.getCommandLine();
        String line = CliException.reasonOf(e);
        shell.console()
                .say("forebay: " + line + (line.endsWith(".") ? " " : "; ") + "see: "
                        + failed.getCommandSpec().qualifiedName() + " --help");
        return ExitCode.USAGE;
    }

    private static int failed(Shell shell, Throwable thrown) {
        Throwable failure = thrown;
        while ((failure instanceof CompletionException || failure instanceof ExecutionException)
                && failure.getCause() != null) {
            failure = failure.getCause();
        }
        shell.console().endProgress();
        if (failure instanceof Console.OutputGoneException) {
            return ExitCode.PIPE_CLOSED;
        }
        if (failure instanceof InterruptedException || failure instanceof CancellationException) {
            return ExitCode.INTERRUPTED;
        }
        if (failure instanceof CliException line) {
            if (line.getCause() != null) {
                logger().debug(line.getMessage(), line.getCause());
            }
            shell.console().say("forebay: " + line.getMessage());
            return line.exitCode();
        }
        if (failure instanceof ForebayException refused) {
            shell.console().say("forebay: " + refused.refusal().text());
            return Refusals.exitCode(refused.refusal());
        }
        if (failure instanceof ConfigException) {
            shell.console().say("forebay: " + CliException.reasonOf(failure));
            return ExitCode.USAGE;
        }
        if (failure instanceof IOException) {
            shell.console().say("forebay: " + CliException.reasonOf(failure));
            logger().debug("failed", failure);
            return ExitCode.LOCAL;
        }
        shell.console()
                .say("forebay: this is a bug: " + failure.getClass().getName() + ": " + CliException.reasonOf(failure)
                        + " (run it again with FOREBAY_JAVA_OPTS=-Dforebay-launcher.log.level=DEBUG to see where)");
        logger().debug("bug", failure);
        return ExitCode.BUG;
    }

    /** Late, because the first logger reads the configuration of logging. */
    private static Logger logger() {
        return LoggerFactory.getLogger(Main.class);
    }

    /** Gives commands the shell they run in. */
    private record Factory(Shell shell) implements CommandLine.IFactory {
        @Override
        public <K> K create(Class<K> type) throws Exception {
            for (Constructor<?> constructor : type.getDeclaredConstructors()) {
                Class<?>[] parameters = constructor.getParameterTypes();
                if (parameters.length == 1 && parameters[0] == Shell.class) {
                    return type.cast(constructor.newInstance(shell));
                }
            }
            return CommandLine.defaultFactory().create(type);
        }
    }

    /** Help and version are what was asked for, so they are results. */
    private static final class ResultStream extends java.io.OutputStream {
        private final Console console;

        ResultStream(Console console) {
            this.console = console;
        }

        @Override
        public void write(int b) {
            console.print(new byte[] {(byte) b});
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            console.print(java.util.Arrays.copyOfRange(bytes, from, from + length));
        }

        @Override
        public void flush() {
            console.flush();
        }
    }
}
