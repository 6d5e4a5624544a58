package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import io.forebay.client.PopRequest;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.store.LogEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.watch.Exposition.Sample;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ThrowingRunnable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Every metric, label and value that the dashboard, the alerts and their page name is in what a node really shows; and the page
 * names everything that is there. What is shown is true: it is compared with what was done.
 */
class DashboardTest {
    private static final Path DOCS = Path.of(System.getProperty("basedir", ""))
            .toAbsolutePath()
            .normalize()
            .resolve("../../docs")
            .normalize();
    private static final Path DASHBOARD = DOCS.resolve("watching/grafana-forebay.json");
    private static final Path ALERTS = DOCS.resolve("watching/alerts.yml");

    /** Prometheus adds these to whatever it reads. */
    private static final Set<String> LABELS_OF_PROMETHEUS = Set.of("instance", "job");
    /** And makes this one itself. */
    private static final String UP = "up";

    private static final Pattern METRIC = Pattern.compile("\\b(forebay_[a-z0-9_]+)(?:\\{([^}]*)})?");
    private static final Pattern MATCHER = Pattern.compile("([a-z_]+)\\s*(=~|!~|!=|=)\\s*\"([^\"]*)\"");

    private static WatchedNode node;
    private static Exposition shown;

    @BeforeAll
    static void useANode() {
        node = WatchedNode.serving(new MemoryDisk(), "");
        WatchedNode.now(node.client().createTopic("orders", 2, Map.of()));
        WatchedNode.now(node.client().createGroup("billing", "orders", Map.of()));
        for (int i = 0; i < 10; i++) {
            WatchedNode.now(node.client().send(Message.of("orders", new byte[100]), Durability.FLUSHED));
        }
        List<Delivery> popped = pop(node, 10);
        WatchedNode.now(node.client().ack(popped.get(0)));
        WatchedNode.now(node.client().ack(popped.get(1)));
        WatchedNode.now(node.client().nack(popped.get(2), Duration.ZERO, "again"));
        assertThat(pop(node, 1).get(0).message().id())
                .isEqualTo(popped.get(2).message().id());
        WatchedNode.now(node.client().nack(popped.get(3), Duration.ofHours(1), "later"));
        // Acked by nobody's handle: refused.
        assertThat(node.client()
                        .ack("other", popped.get(4).handle(), Durability.WRITTEN)
                        .toCompletableFuture()
                        .handle((outcome, failure) -> failure)
                        .join())
                .isNotNull();
        // A group says what it has done behind each turn, and the node is asked for its sessions: neither is there at
        // once.
        Awaitility.await().atMost(WatchedNode.PATIENCE).untilAsserted(() -> {
            shown = node.metrics();
            assertThat(shown.value("forebay_group_oldest_age_seconds", "topic", "orders", "group", "billing"))
                    .isPositive();
            assertThat(shown.value("forebay_group_returned", "topic", "orders", "group", "billing"))
                    .isEqualTo(1);
            assertThat(shown.value("forebay_node_sessions")).isEqualTo(1);
        });
    }

    private static List<Delivery> pop(WatchedNode from, int count) {
        List<Delivery> all = new ArrayList<>();
        while (all.size() < count) {
            all.addAll(WatchedNode.now(from.client().pop(PopRequest.of("orders", "billing", count - all.size()))));
        }
        return all;
    }

    @AfterAll
    static void end() {
        node.close();
    }

    // ---- what is shown is true
    // ----------------------------------------------------------------------------------------

    @Test
    void whatGroupsHaveDoneIsShown() {
        String[] group = {"topic", "orders", "group", "billing"};
        assertThat(shown.value("forebay_group_depth", group)).isEqualTo(8);
        assertThat(shown.value("forebay_group_acked_total", group)).isEqualTo(2);
        assertThat(shown.value("forebay_group_popped_total", group)).isEqualTo(11);
        assertThat(shown.value("forebay_group_redelivered_total", group)).isEqualTo(1);
        assertThat(shown.value("forebay_group_returned", group))
                .as("waits for its hour")
                .isEqualTo(1);
        assertThat(shown.value("forebay_group_in_flight", group)).isEqualTo(7);
        assertThat(shown.value("forebay_group_dead_lettered_total", group)).isZero();
        assertThat(shown.value("forebay_node_groups")).isEqualTo(1);
        assertThat(shown.value("forebay_node_sessions")).isEqualTo(1);
    }

    @Test
    void whatAStripeHasDoneIsShown() {
        double durable = shown.value("forebay_stripe_durable_sequence", "stripe", "0");
        assertThat(durable).isGreaterThan(10);
        assertThat(shown.value("forebay_stripe_written_sequence", "stripe", "0"))
                .isGreaterThanOrEqualTo(durable);
        assertThat(shown.value("forebay_stripe_force_seconds_count")).isGreaterThanOrEqualTo(10);
        assertThat(shown.value("forebay_stripe_force_seconds_bucket", "le", "+Inf"))
                .isEqualTo(shown.value("forebay_stripe_force_seconds_count"));
        assertThat(shown.value("forebay_stripe_force_frames_sum"))
                .isGreaterThanOrEqualTo(shown.value("forebay_stripe_force_frames_count"));
        assertThat(shown.value("forebay_stripe_appended_bytes_total", "kind", "messages"))
                .isGreaterThan(1000);
        assertThat(shown.value("forebay_stripe_serving")).isEqualTo(1);
        assertThat(shown.of("forebay_stripe_phase").stream()
                        .mapToDouble(Sample::value)
                        .sum())
                .isEqualTo(1);
        assertThat(shown.value("forebay_node_state", "state", "serving")).isEqualTo(1);
    }

    /** The force of a Send fails, and an append waits while what it concerned is written again. */
    @Test
    void whatAFailedForceCostsIsShown() {
        MemoryDisk disk = new MemoryDisk();
        CountDownLatch mayFail = new CountDownLatch(1);
        CountDownLatch mayBeWrittenAgain = new CountDownLatch(1);
        AtomicInteger forces = new AtomicInteger();
        try (WatchedNode other = WatchedNode.serving(disk, "")) {
            WatchedNode.now(other.client().createTopic("orders", 1, Map.of()));
            WatchedNode.now(other.client().send(Message.of("orders", new byte[100]), Durability.FLUSHED));
            Exposition before = other.metrics();
            assertThat(before.value("forebay_stripe_rewrites_total")).isZero();
            assertThat(before.value("forebay_node_held_bytes")).isZero();
            double stalls = before.value("forebay_stripe_stalls_total");
            double stalledSeconds = before.value("forebay_stripe_stalled_seconds_total");
            disk.observe((operation, path, at, length) -> {
                // Frames: what is prepared, and headers, are forced from 0 on.
                if (operation == Operation.FORCE && path.contains("segment-") && at > 0) {
                    if (forces.getAndIncrement() == 0) {
                        await(mayFail);
                        throw new IOException("failed on purpose");
                    }
                    await(mayBeWrittenAgain);
                }
            });
            CompletionStage<Receipt> flushed =
                    other.client().send(Message.of("orders", new byte[1000]), Durability.FLUSHED);
            eventually(() ->
                    assertThat(other.metrics().value("forebay_node_held_bytes")).isGreaterThan(1000));
            mayFail.countDown();
            eventually(() -> assertThat(other.metrics().value("forebay_stripe_phase", "phase", "rewriting"))
                    .isEqualTo(1));
            CompletionStage<Receipt> written =
                    other.client().send(Message.of("orders", new byte[1]), Durability.WRITTEN);
            eventually(() -> assertThat(other.metrics().value("forebay_stripe_append_wait_seconds"))
                    .isPositive());
            Exposition meanwhile = other.metrics();
            assertThat(meanwhile.value("forebay_stripe_rewrites_total")).isEqualTo(1);
            assertThat(meanwhile.value("forebay_stripe_rewrite_seconds_count")).isZero();
            assertThat(meanwhile.value("forebay_stripe_stalls_total"))
                    .as("it is not over")
                    .isEqualTo(stalls);
            mayBeWrittenAgain.countDown();
            WatchedNode.now(flushed);
            WatchedNode.now(written);
            eventually(() -> {
                Exposition after = other.metrics();
                assertThat(after.value("forebay_stripe_rewrite_seconds_count")).isEqualTo(1);
                assertThat(after.value("forebay_stripe_rewrite_seconds_sum")).isPositive();
                assertThat(after.value("forebay_stripe_force_failures_total")).isEqualTo(1);
                assertThat(after.value("forebay_stripe_stalls_total")).isEqualTo(stalls + 1);
                assertThat(after.value("forebay_stripe_stalled_seconds_total")).isGreaterThan(stalledSeconds);
                assertThat(after.value("forebay_node_held_bytes")).isZero();
            });
        } finally {
            mayFail.countDown();
            mayBeWrittenAgain.countDown();
        }
    }

    /** Segments are filled; one message keeps the first of them, until that is moved. */
    @Test
    void whatBecomesOfSegmentsIsShown() {
        MemoryDisk disk = new MemoryDisk();
        try (WatchedNode other = WatchedNode.serving(disk, "")) {
            WatchedNode.now(other.client().createTopic("orders", 1, Map.of()));
            WatchedNode.now(other.client().createGroup("billing", "orders", Map.of()));
            Exposition before = other.metrics();
            assertThat(before.value("forebay_stripe_freed_segments_total")).isZero();
            assertThat(before.value("forebay_stripe_cleaned_segments_total")).isZero();
            assertThat(before.value("forebay_stripe_disk_free_limit_bytes")).isZero();
            WatchedNode.now(other.client().createTopic("kept", 1, Map.of()));
            WatchedNode.now(other.client().createGroup("keeper", "kept", Map.of()));
            WatchedNode.now(other.client().send(Message.of("kept", new byte[1])));
            sendAndAckThreeSegments(other);
            Exposition filled = other.metrics();
            double bytes = filled.value("forebay_stripe_appended_bytes_total", "kind", "messages");
            assertThat(filled.value("forebay_stripe_segment_preparation_seconds_count")
                            - before.value("forebay_stripe_segment_preparation_seconds_count"))
                    .as("each that was filled, but for the last, had one prepared behind it")
                    .isBetween(Math.floor(bytes / (1 << 20)) - 1, Math.ceil(bytes / (1 << 20)) + 1);
            eventually(() -> assertThat(other.metrics().value("forebay_stripe_checkpoint_seconds_count"))
                    .as("behind which it is looked for what little keeps")
                    .isGreaterThan(filled.value("forebay_stripe_checkpoint_seconds_count")));
            sendAndAckThreeSegments(other); // something moves only as a share of what is appended
            eventually(() -> {
                Exposition cleaned = other.metrics();
                assertThat(cleaned.value("forebay_stripe_cleaned_segments_total"))
                        .isPositive();
                assertThat(cleaned.value("forebay_stripe_appended_bytes_total", "kind", "moved"))
                        .isPositive();
                assertThat(cleaned.value("forebay_stripe_freed_segments_total"))
                        .as("those, too, that only the first one kept")
                        .isGreaterThanOrEqualTo(2 + cleaned.value("forebay_stripe_cleaned_segments_total"));
                assertThat(cleaned.value("forebay_stripe_stored_bytes"))
                        .isLessThan(filled.value("forebay_stripe_stored_bytes"));
            });
        }
    }

    private static void sendAndAckThreeSegments(WatchedNode to) {
        int count = 50;
        for (int i = 0; i < count; i++) {
            WatchedNode.now(to.client().send(Message.of("orders", new byte[64 * 1024]), Durability.WRITTEN));
        }
        pop(to, count).forEach(delivery -> WatchedNode.now(to.client().ack(delivery)));
    }

    private static void eventually(ThrowingRunnable assertion) {
        Awaitility.await().atMost(WatchedNode.PATIENCE).untilAsserted(assertion);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(WatchedNode.PATIENCE.toSeconds(), TimeUnit.SECONDS))
                    .isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Who acts on it has a day: Sends are refused long before nothing is free. */
    @Test
    void whatIsForeseenOfTheDiskIsWhatEndsSends() throws IOException {
        assertThat(alerts().stream()
                        .filter(alert -> alert.get("alert").equals("ForebayDiskWillBeLow"))
                        .map(alert -> alert.get("expr")))
                .singleElement()
                .asString()
                .endsWith("< forebay_stripe_disk_free_limit_bytes");
    }

    @Test
    void whatWasRefusedIsShownByItsReasonAndEveryReasonIsThereFromTheStart() {
        assertThat(shown.value("forebay_refusals_total", "reason", "wrong-group"))
                .isEqualTo(1);
        assertThat(shown.value("forebay_refusals_total", "reason", "disk-full")).isZero();
    }

    @Test
    void countersAreCountersAndNothingElseIs() {
        shown.types()
                .forEach((family, type) -> assertThat(family.endsWith("_total"))
                        .as("%s is a %s", family, type)
                        .isEqualTo(type.equals("counter")));
        assertThat(shown.types()).containsEntry("forebay_stripe_force_seconds", "histogram");
    }

    @Test
    void aRegistryOfTheApplicationShowsTheSameAndCanBeLeftAgain() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (var meters = new io.forebay.node.ForebayMeters(node.system)) {
            meters.bindTo(registry);
            Awaitility.await()
                    .atMost(WatchedNode.PATIENCE)
                    .untilAsserted(() -> assertThat(registry.get("forebay.group.depth")
                                    .tags("topic", "orders", "group", "billing")
                                    .gauge()
                                    .value())
                            .isEqualTo(8));
            assertThat(registry.get("forebay.stripe.serving").gauge().value()).isEqualTo(1);
        }
        assertThat(registry.getMeters()).isEmpty();
    }

    @Test
    void groupsBeyondThoseWithNamesAreOneSum() {
        try (WatchedNode small = WatchedNode.serving(new MemoryDisk(), "forebay.watch.groups-max = 1")) {
            WatchedNode.now(small.client().createTopic("t", 1, Map.of()));
            for (String group : List.of("a", "b", "c")) {
                WatchedNode.now(small.client().createGroup(group, "t", Map.of()));
            }
            WatchedNode.now(small.client().send(Message.of("t", new byte[1])));
            Awaitility.await().atMost(WatchedNode.PATIENCE).untilAsserted(() -> {
                Exposition metrics = small.metrics();
                assertThat(metrics.of("forebay_group_depth")).hasSize(2);
                assertThat(metrics.value("forebay_group_depth", "group", "(other)"))
                        .isEqualTo(2);
                assertThat(metrics.value("forebay_node_groups_unnamed")).isEqualTo(2);
            });
        }
    }

    // ---- the files
    // ------------------------------------------------------------------------------------------------------

    @Test
    void everythingTheDashboardNamesIsShown() throws IOException {
        Config dashboard = ConfigFactory.parseString(
                Files.readString(DASHBOARD), ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON));
        Set<String> variables = new TreeSet<>();
        List<String> queries = new ArrayList<>();
        for (Config variable : dashboard.getConfigList("templating.list")) {
            variables.add(variable.getString("name"));
            if (variable.getString("type").equals("query")) {
                queries.add(variable.getString("query.query"));
            }
        }
        for (String query : queries) {
            Matcher values =
                    Pattern.compile("label_values\\((.+), ([a-z_]+)\\)").matcher(query);
            assertThat(values.matches()).as(query).isTrue();
            checkExpression(values.group(1), variables);
            assertThat(labelsOf(values.group(1))).as(query).contains(values.group(2));
        }
        List<String> expressions = new ArrayList<>();
        collect(dashboard.root(), "expr", expressions);
        assertThat(expressions).hasSizeGreaterThan(30);
        expressions.forEach(expression -> checkExpression(expression, variables));
        List<String> legends = new ArrayList<>();
        collect(dashboard.root(), "legendFormat", legends);
        assertThat(legends).hasSameSizeAs(expressions);
        for (int i = 0; i < legends.size(); i++) {
            Matcher label = Pattern.compile("\\{\\{([a-z_]+)}}").matcher(legends.get(i));
            while (label.find()) {
                assertThat(labelsOf(expressions.get(i)))
                        .as("%s of %s", legends.get(i), expressions.get(i))
                        .contains(label.group(1));
            }
        }
    }

    @Test
    void everythingTheAlertsNameIsShown() throws IOException {
        List<Map<String, String>> alerts = alerts();
        assertThat(alerts).hasSizeGreaterThan(10);
        for (Map<String, String> alert : alerts) {
            assertThat(alert).containsKeys("alert", "expr", "severity", "summary", "description");
            assertThat(alert.get("severity")).isIn("warning", "critical");
            checkExpression(alert.get("expr"), Set.of());
            Matcher label = Pattern.compile("\\$labels\\.([a-z_]+)").matcher(alert.get("summary"));
            while (label.find()) {
                assertThat(labelsOf(alert.get("expr"))).as(alert.get("alert")).contains(label.group(1));
            }
        }
        assertThat(alerts.stream().map(alert -> alert.get("alert"))).doesNotHaveDuplicates();
    }

    @Test
    void thePageTellsOfEveryMetricAndEveryAlertAndOfNoOthers() throws IOException {
        String page = Files.readString(DOCS.resolve("watching.md"));
        Set<String> told = new TreeSet<>();
        Matcher name = Pattern.compile("`(forebay_[a-z0-9_]+)`").matcher(page);
        while (name.find()) {
            told.add(name.group(1));
        }
        Set<String> there = new TreeSet<>(shown.types().keySet());
        // The page says once that what has a time or a size has a maximum, too.
        there.removeIf(family -> family.endsWith("_max")
                && shown.types().containsKey(family.substring(0, family.length() - "_max".length())));
        assertThat(told).containsExactlyElementsOf(there);
        Set<String> toldAlerts = new TreeSet<>();
        Matcher alert = Pattern.compile("`(Forebay[A-Z][A-Za-z]+)`").matcher(page);
        while (alert.find()) {
            toldAlerts.add(alert.group(1));
        }
        toldAlerts.remove("ForebayMeters");
        assertThat(toldAlerts)
                .containsExactlyInAnyOrderElementsOf(
                        alerts().stream().map(one -> one.get("alert")).toList());
        for (HealthView.Code code : HealthView.Code.values()) {
            assertThat(page).contains("`" + HealthText.name(code) + "`");
        }
    }

    @Test
    void thePageTellsOfEveryEventAndOfNoOthers() throws IOException {
        String page = Files.readString(DOCS.resolve("watching.md"));
        String table = page.substring(page.indexOf("| event |"));
        table = table.substring(0, table.indexOf("\n\n"));
        Set<String> told = new TreeSet<>();
        for (String row : table.split("\n")) {
            Matcher name = Pattern.compile("`([a-z-]+)`").matcher(row.split("\\|")[1]);
            while (name.find()) {
                assertThat(told.add(name.group(1))).as(name.group(1)).isTrue();
            }
        }
        assertThat(told)
                .containsExactlyInAnyOrderElementsOf(
                        Stream.of(LogEvent.values()).map(LogEvent::text).toList());
        Matcher shownInText = Pattern.compile("event=([a-z-]+)").matcher(page);
        while (shownInText.find()) {
            assertThat(told).contains(shownInText.group(1));
        }
    }

    /** A test that finds nothing wrong with anything would be of no use. */
    @Test
    void whatIsNotThereIsFound() {
        for (String wrong : List.of(
                "forebay_stripe_servin == 0",
                "forebay_stripe_phase{phase=\"read_only\"} == 1",
                "forebay_stripe_phase{fase=\"closed\"} == 1",
                "forebay_refusals_total{reason=~\"busy|full\"}",
                "sum by (stripes) (forebay_stripe_serving)",
                "sum (forebay_stripe_serving",
                "sum (forebay_stripe_serving))",
                "forebay_stripe_serving === 1",
                "forebay_stripe_serving{stripe=\"7\"} == 0",
                "forebay_stripe_unflushed_bytes / forebay_group_depth > 1",
                "forebay_stripe_serving == 0 and on (group) forebay_group_depth > 0",
                "forebay_group_depth > 0 and forebay_node_state == 1",
                "forebay_stripe_serving / forebay_stripe_phase",
                "rate(forebay_stripe_serving[5m]) > 0",
                "rate(forebay_refusals_total) > 0",
                "rate(forebay_refusals_total[5x]) > 0",
                "delta(forebay_refusals_total[5m]) > 0",
                "forebay_refusals_total[5m] > 0",
                "histogram_quantile(0.99, rate(forebay_stripe_force_seconds_count[5m]))",
                "histogram_quantile(0.99, sum by (instance) (rate(forebay_stripe_force_seconds_bucket[5m])))",
                "quantile_over(forebay_stripe_serving)",
                "forebay_stripe_serving{stripe=~\"$strip\"}")) {
            assertThat(isRefused(wrong)).as(wrong).isTrue();
        }
    }

    private static boolean isRefused(String expression) {
        try {
            checkExpression(expression, Set.of("stripe"));
            return false;
        } catch (AssertionError refused) {
            return true;
        }
    }

    private static void checkExpression(String expression, Set<String> variables) {
        assertThat(PromQl.series(expression, shown)).as(expression).isNotEmpty();
        Matcher metric = METRIC.matcher(expression);
        int count = 0;
        while (metric.find()) {
            count++;
            List<Sample> samples = shown.of(metric.group(1));
            assertThat(samples).as("%s in %s", metric.group(1), expression).isNotEmpty();
            if (metric.group(2) != null) {
                checkMatchers(expression, metric.group(2), samples, variables);
            }
        }
        assertThat(count > 0 || expression.startsWith(UP + "{")).as(expression).isTrue();
    }

    private static void checkMatchers(String expression, String matchers, List<Sample> samples, Set<String> variables) {
        Matcher matcher = MATCHER.matcher(matchers);
        int end = 0;
        while (matcher.find()) {
            assertThat(matchers.substring(end, matcher.start()).replace(",", "").strip())
                    .as(expression)
                    .isEmpty();
            end = matcher.end();
            String label = matcher.group(1);
            String value = matcher.group(3);
            if (value.startsWith("$")) {
                assertThat(variables).as(expression).contains(value.substring(1));
            }
            if (LABELS_OF_PROMETHEUS.contains(label)) {
                continue;
            }
            Set<String> values = new TreeSet<>();
            for (Sample sample : samples) {
                assertThat(sample.labels()).as(expression).containsKey(label);
                values.add(sample.labels().get(label));
            }
            if (!value.startsWith("$")) {
                for (String one : matcher.group(2).endsWith("~") ? value.split("\\|") : new String[] {value}) {
                    assertThat(values).as(expression).contains(one);
                }
            }
        }
        assertThat(matchers.substring(end).strip()).as(expression).isEmpty();
    }

    /** Labels that each series of its result has. */
    private static Set<String> labelsOf(String expression) {
        Set<String> labels = null;
        for (Map<String, String> series : PromQl.series(expression, shown)) {
            labels = labels == null ? new TreeSet<>(series.keySet()) : labels;
            labels.retainAll(series.keySet());
        }
        return labels;
    }

    private static void collect(ConfigValue value, String key, List<String> into) {
        if (value instanceof com.typesafe.config.ConfigObject object) {
            object.forEach((name, one) -> {
                if (name.equals(key) && one.valueType() == ConfigValueType.STRING) {
                    into.add((String) one.unwrapped());
                } else {
                    collect(one, key, into);
                }
            });
        } else if (value instanceof com.typesafe.config.ConfigList list) {
            list.forEach(one -> collect(one, key, into));
        }
    }

    /** Reads the part of YAML that the file keeps to: a list of maps, each value on one line, plain or in double quotes. */
    private static List<Map<String, String>> alerts() throws IOException {
        List<Map<String, String>> alerts = new ArrayList<>();
        Pattern line = Pattern.compile(" *(- )?([a-z]+):(?: (.+))?");
        for (String text : Files.readAllLines(ALERTS)) {
            if (text.isBlank() || text.startsWith("#")) {
                continue;
            }
            assertThat(text).doesNotContain("\t");
            Matcher matcher = line.matcher(text);
            assertThat(matcher.matches()).as(text).isTrue();
            if (matcher.group(2).equals("alert")) {
                assertThat(matcher.group(1)).as(text).isNotNull();
                alerts.add(new LinkedHashMap<>());
            }
            if (!alerts.isEmpty() && matcher.group(3) != null) {
                String value = matcher.group(3);
                boolean isQuoted = value.startsWith("\"");
                assertThat(isQuoted ? value.substring(1, value.length() - 1).contains("\"") : value.contains(": "))
                        .as(text)
                        .isFalse();
                alerts.get(alerts.size() - 1)
                        .put(matcher.group(2), isQuoted ? value.substring(1, value.length() - 1) : value);
            }
        }
        return alerts;
    }
}
