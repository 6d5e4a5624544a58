package io.forebay.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forebay} itself: says what there is. */
@Command(
        name = "forebay",
        description = "Durable Pop/Ack message queues that run as an Akka node.",
        versionProvider = ForebayCommand.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        footerHeading = "%nTry it:%n",
        footer = {
            "  forebay demo",
            "",
            "Exit codes: 0 done, 1 a check failed or nothing was found, 2 not allowed, 3 no node, 4 refused,",
            "5 something on this machine, 70 a bug, 130 interrupted, 141 nobody reads stdout, 143 ended by SIGTERM."
        },
        subcommands = {
            DemoCommand.class,
            NodeCommand.class,
            SendCommand.class,
            PopCommand.class,
            SettleCommand.Ack.class,
            SettleCommand.Nack.class,
            SettleCommand.Extend.class,
            TopicCommand.class,
            GroupCommand.class,
            DlqCommand.class,
            PeekCommand.class,
            FindCommand.class,
            ExplainCommand.class,
            LogCommand.class,
            ForebayCommand.Help.class
        })
final class ForebayCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Print the version and exit.")
    private boolean isVersionAsked;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = CommandLine.ScopeType.INHERIT,
            description = "Show this help and exit.")
    private boolean isHelpAsked;

    @Override
    public Integer call() {
        throw new CommandLine.ParameterException(spec.commandLine(), "a command is missing");
    }

    /** The version in the manifest of our jar; a class path of folders has none. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = io.forebay.protocol.Message.class.getPackage().getImplementationVersion();
            return new String[] {
                "forebay " + (version == null ? "(not packaged)" : version),
                "Java " + System.getProperty("java.version") + " (" + System.getProperty("java.vm.name") + ")"
            };
        }
    }

    /** {@code forebay help COMMAND}, for those who try it. */
    @Command(name = "help", description = "Show the help of a command.", helpCommand = true)
    static final class Help implements Callable<Integer> {
        @Spec
        private CommandSpec spec;

        @Parameters(paramLabel = "COMMAND", arity = "0..*", description = "The command; none for all of them.")
        private List<String> names = new ArrayList<>();

        @Override
        public Integer call() {
            CommandLine command = spec.commandLine().getParent();
            for (String name : names) {
                CommandLine next = command.getSubcommands().get(name);
                if (next == null) {
                    throw new CommandLine.ParameterException(
                            spec.commandLine(), "there is no command '" + String.join(" ", names) + "'");
                }
                command = next;
            }
            command.usage(spec.commandLine().getOut());
            return ExitCode.OK;
        }
    }
}
