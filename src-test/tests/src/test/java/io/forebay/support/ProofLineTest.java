package io.forebay.support;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.Proof;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.EngineDescriptor;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherFactory;

/** At the end of a session of tests stands one line that says what they proved; if they counted nothing, there is none. One that failed is told. */
class ProofLineTest {
    @Test
    void theLineStandsAtTheEndOfASession() {
        long kills = Proof.kills.sum();
        String said = saidBySession(() -> Proof.kills.add(3));
        Proof.kills.add(-3);
        assertThat(said.lines())
                .containsExactly(
                        "", ProofLine.BEGINNING + Proof.line().replaceFirst("kills \\d+", "kills " + (kills + 3)));
    }

    @Test
    void nothingIsSaidOfNothing() {
        assertThat(saidBySession(() -> {})).isEmpty();
    }

    @Test
    void aRunInWhichATestFailedIsNoProof() {
        String said = saidBySession(() -> {
            Proof.kills.add(3);
            failIn(0);
        });
        Proof.kills.add(-3);
        ProofLine.failed.decrement();
        assertThat(said.lines().toList().get(1)).endsWith("; PROVES NOTHING: 1 failed");
    }

    @Test
    void aFailureInARunOfATestIsMeantToBe() {
        assertThat(saidBySession(() -> failIn(1))).isEmpty();
    }

    /** A test fails, in a run beside so many others. */
    private static void failIn(int runs) {
        AtomicInteger running = new AtomicInteger(runs);
        ProofLine.Failures failures = new ProofLine.Failures(running);
        failures.testPlanExecutionStarted(null);
        failures.executionFinished(
                TestIdentifier.from(new EngineDescriptor(UniqueId.forEngine("none"), "none")),
                TestExecutionResult.failed(new AssertionError()));
        failures.testPlanExecutionFinished(null);
        assertThat(running).hasValue(runs);
    }

    /** A session without tests of its own, as JUnit opens it: with the listeners that it finds. */
    private static String saidBySession(Runnable tests) {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        PrintStream out = System.out;
        Thread own = Thread.currentThread();
        OutputStream ownIsSaid = new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                // Whatever else lives in this process may print at any time.
                (Thread.currentThread() == own ? said : out).write(one);
            }
        };
        System.setOut(new PrintStream(ownIsSaid, true, StandardCharsets.UTF_8));
        try (LauncherSession session = LauncherFactory.openSession()) {
            assertThat(session.getLauncher()).isNotNull();
            tests.run();
        } finally {
            System.setOut(out);
        }
        return said.toString(StandardCharsets.UTF_8);
    }
}
