package io.forebay.bench;

import java.util.ArrayList;
import java.util.List;

/**
 * A system at one setting, as it enters the benchmark.
 *
 * @param name of the system and what is different about it here; unique with {@code isFlushed}
 * @param where {@link #IN_PROCESS} or {@link #SECOND_JVM}: whether its broker is in the loading process
 * @param moduleOrNull the directory below {@code src-test/peers} that it comes from; null for Forebay
 * @param isSlowToWarm takes a minute of load until it is as fast as it gets
 * @param isQuick in the short run, too
 */
record Entrant(
        String name,
        String where,
        String moduleOrNull,
        String className,
        boolean isFlushed,
        List<String> options,
        boolean isSlowToWarm,
        boolean isQuick) {
    static final String IN_PROCESS = "in-process";
    static final String SECOND_JVM = "second JVM";

    static final String FOREBAY = "Forebay";
    static final String CHRONICLE = "Chronicle Queue";
    static final String ARTEMIS = "Artemis";
    static final String ROCKETMQ = "RocketMQ Pop";
    static final String KAFKA = "Kafka share group";
    static final String WORK_PULLING = "Akka work pulling";

    /** In the order in which they run. */
    static List<Entrant> all() {
        List<Entrant> all = new ArrayList<>();
        for (boolean isFlushed : new boolean[] {false, true}) {
            all.add(forebay(IN_PROCESS, isFlushed, "node=in-process"));
            all.add(new Entrant(
                    CHRONICLE,
                    IN_PROCESS,
                    "chronicle",
                    "io.forebay.peers.chronicle.ChronicleContestant",
                    isFlushed,
                    List.of(),
                    false,
                    true));
            all.add(artemis(IN_PROCESS, isFlushed, "nio", true, "broker=in-vm"));
            all.add(artemis(IN_PROCESS, isFlushed, "mapped", false, "broker=in-vm"));
            all.add(new Entrant(
                    WORK_PULLING,
                    IN_PROCESS,
                    "workpulling",
                    "io.forebay.peers.workpulling.WorkPullingContestant",
                    isFlushed,
                    List.of(),
                    true,
                    false));
            all.add(forebay(SECOND_JVM, isFlushed, "node=second-jvm"));
            all.add(artemis(SECOND_JVM, isFlushed, "nio", true, "broker=tcp"));
            all.add(artemis(SECOND_JVM, isFlushed, "mapped", false, "broker=tcp"));
            all.add(rocketMq(isFlushed, "rocksdb"));
            all.add(rocketMq(isFlushed, "classic"));
            all.add(new Entrant(
                    KAFKA,
                    SECOND_JVM,
                    "kafka",
                    "io.forebay.peers.kafka.KafkaContestant",
                    isFlushed,
                    List.of(),
                    true,
                    false));
        }
        return all;
    }

    private static Entrant forebay(String where, boolean isFlushed, String option) {
        return new Entrant(
                FOREBAY, where, null, ForebayContestant.class.getName(), isFlushed, List.of(option), false, true);
    }

    private static Entrant artemis(String where, boolean isFlushed, String journal, boolean isQuick, String broker) {
        return new Entrant(
                ARTEMIS + ", " + journal + " journal",
                where,
                "artemis",
                "io.forebay.peers.artemis.ArtemisContestant",
                isFlushed,
                List.of(broker, "journal=" + journal),
                true,
                isQuick);
    }

    private static Entrant rocketMq(boolean isFlushed, String pop) {
        return new Entrant(
                ROCKETMQ + ", " + pop,
                SECOND_JVM,
                "rocketmq",
                "io.forebay.peers.rocketmq.RocketContestant",
                isFlushed,
                List.of("pop=" + pop),
                true,
                false);
    }

    /** The same with one more option, and that in its name. */
    Entrant with(String option) {
        List<String> more = new ArrayList<>(options);
        more.add(option);
        return new Entrant(
                name + ", " + option,
                where,
                moduleOrNull,
                className,
                isFlushed,
                List.copyOf(more),
                isSlowToWarm,
                isQuick);
    }

    String level() {
        return isFlushed ? "FLUSHED" : "WRITTEN";
    }

    boolean isForebay() {
        return moduleOrNull == null;
    }

    @Override
    public String toString() {
        return name + ", " + where + ", " + level();
    }
}
