package io.forebay.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameStartingWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.javadsl.ActorContext;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import io.forebay.queue.StripePort;
import io.forebay.store.Asker;
import io.forebay.store.StoreWriter;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.MappedByteBuffer;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Holds the direction of the arrows between the rooms, and the purity of cores and storage. */
class ArchitectureTest {
    private static final String[] PROTOCOL = {"io.forebay.protocol..", "io.forebay.client.."};
    private static final String[] CONFIG = {"io.forebay.config.."};
    private static final String[] STORAGE = {"io.forebay.storage.."};
    private static final String STORAGE_IO = "io.forebay.storage.io..";
    private static final String FILES_OF_THE_CLI = "io.forebay.cli.LocalFiles";
    private static final String TESTKIT = "io.forebay.testkit..";
    /** What is plain Java by design: whatever decides, and whatever lays out bytes. */
    private static final String[] PURE = {"io.forebay..core..", "io.forebay.storage.."};

    private static JavaClasses classes;

    @BeforeAll
    static void importRooms() {
        classes = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importPackages("io.forebay");
    }

    @Test
    void everyRoomIsSeen() {
        for (String room : new String[] {"protocol", "config", "storage.io", "queue.core"}) {
            assertThat(classes).anyMatch(type -> type.getPackageName().equals("io.forebay." + room));
        }
        assertThat(classes).noneMatch(type -> type.getName().equals(ArchitectureTest.class.getName()));
    }

    @Test
    void protocolKnowsNoOtherRoom() {
        holds(knowsNoRoomBut(PROTOCOL));
    }

    @Test
    void configKnowsNoOtherRoom() {
        holds(knowsNoRoomBut(CONFIG));
    }

    @Test
    void storageKnowsNoOtherRoom() {
        holds(knowsNoRoomBut(STORAGE));
    }

    @Test
    void nothingThatShipsKnowsTheTestkit() {
        holds(noClasses()
                .that()
                .resideOutsideOfPackage(TESTKIT)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(TESTKIT));
    }

    @Test
    void coresAndStorageKnowNoAkka() {
        holds(noClasses()
                .that()
                .resideInAnyPackage(PURE)
                .should()
                .dependOnClassesThat()
                .resideInAPackage("akka.."));
    }

    private static DescribedPredicate<JavaAccess<?>> readsAClock() {
        return describe("a clock of this machine is read", access -> {
            JavaClass owner = access.getTargetOwner();
            String name = access.getTarget().getName();
            return (owner.isEquivalentTo(System.class) && (name.equals("currentTimeMillis") || name.equals("nanoTime")))
                    || (owner.getPackageName().startsWith("java.time")
                            && (name.equals("now") || name.startsWith("system")));
        });
    }

    @Test
    void coresAndStorageReadNoClock() {
        holds(noClasses().that().resideInAnyPackage(PURE).should().accessTargetWhere(readsAClock()));
        holds(noClasses()
                .that()
                .resideInAnyPackage(PURE)
                .should()
                .dependOnClassesThat(assignableTo(InstantSource.class)));
    }

    /** Commands have their clocks from the shell that the launcher makes for them. */
    @Test
    void commandsReadNoClockOfTheirOwn() {
        holds(noClasses()
                .that()
                .resideInAPackage("io.forebay.cli")
                .and()
                .doNotHaveFullyQualifiedName("io.forebay.cli.Shell")
                .should()
                .accessTargetWhere(readsAClock()));
    }

    @Test
    void coresAndStorageTouchFilesOnlyInStorageIo() {
        holds(noClasses()
                .that(resideInAnyPackage(PURE).and(not(resideInAPackage(STORAGE_IO))))
                .should()
                .dependOnClassesThat(resideInAnyPackage("java.io..", "java.nio.file..", "java.nio.channels..")
                        .or(belongToAnyOf(MappedByteBuffer.class))
                        .and(not(belongToAnyOf(Closeable.class, UncheckedIOException.class)))
                        .and(not(assignableTo(IOException.class)))));
    }

    /**
     * Elsewhere a {@link Path} may be named and a stream of text or bytes written to, but no file is opened. One class of the
     * command line opens what its user names.
     */
    @Test
    void onlyStorageIoTouchesFiles() {
        DescribedPredicate<JavaClass> filesAndChannels = resideInAnyPackage("java.nio.file..", "java.nio.channels..")
                .and(not(belongToAnyOf(Path.class, InvalidPathException.class)))
                .and(not(assignableTo(IOException.class)));
        DescribedPredicate<JavaClass> filesOfOld = resideInAPackage("java.io..")
                .and(describe("named after a file", type -> type.getSimpleName().contains("File")))
                .and(not(assignableTo(IOException.class)));
        holds(noClasses()
                .that(not(resideInAnyPackage(STORAGE_IO, TESTKIT)).and(not(nameStartingWith(FILES_OF_THE_CLI))))
                .should()
                .dependOnClassesThat(filesAndChannels.or(filesOfOld)));
    }

    /**
     * It registers before it sends anything: who appends without is not told that the stripe takes nothing already. The stripe itself
     * needs no telling.
     */
    @Test
    void onlyTheStripePortAppends() {
        holds(noClasses()
                .that()
                .doNotHaveFullyQualifiedName(StripePort.class.getName())
                .and()
                .resideOutsideOfPackage(StoreWriter.class.getPackageName())
                .should()
                .callConstructorWhere(describe(
                        "a frame is made to be appended",
                        call -> call.getTargetOwner().getName().equals(StoreWriter.Append.class.getName()))));
    }

    /** Stages of Akka's asks have what follows them run in Java's common pool. */
    @Test
    void onlyTheAskerAsks() {
        holds(noClasses()
                .that()
                .doNotHaveFullyQualifiedName(Asker.class.getName())
                .should()
                .dependOnClassesThat(describe(
                        "ask actors from outside",
                        type -> type.getName().startsWith("akka.actor.typed.javadsl.AskPattern")
                                || type.getName().startsWith("akka.pattern."))));
        holds(noClasses()
                .should()
                .accessTargetWhere(describe(
                        "an actor asks by way of the common pool",
                        access -> access.getTargetOwner().getName().equals(ActorContext.class.getName())
                                && access.getTarget().getName().startsWith("ask"))));
    }

    /** The common pool is the application's, and on a machine with two processors there is none: each task gets a new thread. */
    @Test
    void nothingRunsInTheCommonPool() {
        DescribedPredicate<JavaAccess<?>> usesIt = describe("no executor is named", access -> {
            JavaClass owner = access.getTargetOwner();
            String name = access.getTarget().getName();
            boolean isStage = owner.isAssignableTo(CompletionStage.class)
                    && !owner.getName().startsWith("akka.");
            boolean isOfStages = isStage
                    && (name.endsWith("Async") || name.equals("delayedExecutor"))
                    && access.getTarget() instanceof AccessTarget.CodeUnitCallTarget method
                    && method.getRawParameterTypes().stream()
                            .noneMatch(parameter -> parameter.isEquivalentTo(Executor.class));
            return isOfStages
                    || name.equals("commonPool")
                    || name.equals("parallelStream")
                    || name.equals("orTimeout")
                    || name.equals("completeOnTimeout");
        });
        holds(noClasses().that(not(resideInAPackage(TESTKIT))).should().accessTargetWhere(usesIt));
    }

    /** An application need not have it, and nothing but metrics is then missing. */
    @Test
    void onlyTheMetersKnowMicrometer() {
        holds(noClasses()
                .that(not(nameStartingWith("io.forebay.watch.NodeMeters")
                        .or(nameStartingWith("io.forebay.watch.PrometheusPage"))
                        .or(nameStartingWith("io.forebay.node.ForebayMeters"))))
                .should()
                .dependOnClassesThat(resideInAnyPackage("io.micrometer..", "io.prometheus..")));
    }

    /** Watching looks; it decides nothing for the node. */
    @Test
    void onlyTheNodeKnowsTheWatch() {
        holds(noClasses()
                .that()
                .resideOutsideOfPackages("io.forebay.watch..", "io.forebay.node..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.forebay.watch.."));
    }

    private static ArchRule knowsNoRoomBut(String... own) {
        return noClasses()
                .that()
                .resideInAnyPackage(own)
                .should()
                .dependOnClassesThat(resideInAPackage("io.forebay..").and(not(resideInAnyPackage(own))));
    }

    private static void holds(ArchRule rule) {
        rule.allowEmptyShould(true).check(classes);
    }
}
