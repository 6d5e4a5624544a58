package io.forebay.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import io.forebay.client.ForebayClient;
import io.forebay.testkit.junit.ForebayTest;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Tests of an application that are run by JUnit: each has a node of its own, and one that fails says what brings it back. */
class ForebayExtensionTest {
    private static final List<ForebayTestKit> KITS = new ArrayList<>();

    /** What JUnit finds only when it is told to: a test of it, not of us. */
    @ForebayTest(settings = "forebay.topic.auto-create = on")
    static class Application {
        @BeforeEach
        void remember(ForebayTestKit kit) {
            KITS.add(kit);
        }

        @Test
        void first(ForebayTestKit kit, ForebayClient client) {
            assertThat(client).isSameAs(kit.client());
            kit.send("orders", "a coffee");
            assertThat(KITS).contains(kit);
        }

        @Test
        void second(ForebayTestKit kit) {
            assertThat(kit.await(kit.client().listTopics())).isEmpty();
        }

        @Test
        void fails(ForebayTestKit kit) {
            throw new AssertionError("I am meant to fail");
        }

        @Test
        @ForebayTest(seed = 4711)
        void hasItsSeed(ForebayTestKit kit) {
            assertThat(kit.seed()).isEqualTo(4711);
        }
    }

    private record Outcome(String name, TestExecutionResult result) {}

    private static List<Outcome> run(String... parameters) {
        LauncherDiscoveryRequestBuilder request =
                LauncherDiscoveryRequestBuilder.request().selectors(selectClass(Application.class));
        if (parameters.length > 0) {
            request.configurationParameter("forebay.seed", parameters[0]);
        }
        List<Outcome> outcomes = new ArrayList<>();
        LauncherDiscoveryRequest built = request.build();
        // Not as a session of its own, behind which the proof of all tests would be printed.
        LauncherConfig config = LauncherConfig.builder()
                .enableLauncherSessionListenerAutoRegistration(false)
                .build();
        LauncherFactory.create(config).execute(built, new TestExecutionListener() {
            @Override
            public void executionFinished(TestIdentifier test, TestExecutionResult result) {
                if (test.isTest()) {
                    outcomes.add(new Outcome(test.getDisplayName().replaceAll("\\(.*", ""), result));
                }
            }
        });
        return outcomes;
    }

    @BeforeEach
    void forget() {
        KITS.clear();
    }

    @Test
    void eachTestHasANodeOfItsOwnThatIsEndedBehindIt() {
        List<Outcome> outcomes = run();
        assertThat(outcomes).hasSize(4);
        assertThat(outcomes)
                .allSatisfy(outcome -> assertThat(outcome.result.getStatus())
                        .as(outcome.name + ": " + outcome.result.getThrowable())
                        .isEqualTo(
                                outcome.name.equals("fails")
                                        ? TestExecutionResult.Status.FAILED
                                        : TestExecutionResult.Status.SUCCESSFUL));
        assertThat(KITS).hasSize(4).doesNotHaveDuplicates().noneMatch(ForebayTestKit::isRunning);
        assertThat(KITS.stream().map(ForebayTestKit::seed)).doesNotHaveDuplicates();
    }

    @Test
    void whatFailsTellsTheSeedThatBringsItBack() {
        assertThat(failure(run("123"))).contains("@ForebayTest(seed = 123L)").contains("-Dforebay.seed=123");
        assertThat(KITS.stream().map(ForebayTestKit::seed)).containsOnly(123L, 4711L);
    }

    private static String failure(List<Outcome> outcomes) {
        Throwable thrown = outcomes.stream()
                .filter(outcome -> outcome.name.equals("fails"))
                .flatMap(outcome -> outcome.result.getThrowable().stream())
                .findAny()
                .orElseThrow();
        assertThat(thrown).hasMessage("I am meant to fail");
        return Stream.of(thrown.getSuppressed())
                .map(Throwable::getMessage)
                .toList()
                .toString();
    }
}
