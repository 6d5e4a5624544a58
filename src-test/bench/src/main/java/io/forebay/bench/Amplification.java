package io.forebay.bench;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.Durability;
import io.forebay.storage.log.WrittenBytes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Bytes that the log takes for each message that is sent, popped and acked: as it goes, and with one message in five nacked
 * at its first delivery. In the batches of a node at full load, and one by one, where each message has frames of its own.
 */
final class Amplification {
    /**
     * @param batched messages of a run at full load; enough of them for some checkpoints
     * @param single messages of a run one by one
     */
    record Sizes(int batched, int single) {}

    private record Row(String name, int count, WrittenBytes bytes) {}

    private final ForebayClient client;
    private final Supplier<WrittenBytes> written;
    private final Sizes sizes;
    private final int bodyBytes;
    private final List<Row> rows = new ArrayList<>();
    private boolean isGood = true;

    /** @param written of all stripes together, since the start */
    Amplification(ForebayClient client, Supplier<WrittenBytes> written, Sizes sizes, int bodyBytes) {
        this.client = client;
        this.written = written;
        this.sizes = sizes;
        this.bodyBytes = bodyBytes;
    }

    boolean run() throws Exception {
        measure("at full load", Traffic.PLAIN, false);
        measure("at full load, 20 % nacked once", Traffic.PLAIN.nackingOneInFive(), false);
        measure("one by one", Traffic.PLAIN, true);
        measure("one by one, 20 % nacked once", Traffic.PLAIN.nackingOneInFive(), true);
        print();
        return isGood;
    }

    private void measure(String name, Traffic traffic, boolean isSingle) throws Exception {
        String topic = "amplification-" + rows.size();
        String group = topic + "-group";
        client.createTopic(topic, 8, Map.of()).toCompletableFuture().get(60, TimeUnit.SECONDS);
        client.createGroup(group, topic, Map.of()).toCompletableFuture().get(60, TimeUnit.SECONDS);
        int count = isSingle ? sizes.single : sizes.batched;
        Load.Plan plan = isSingle
                ? new Load.Plan(topic, group, Durability.WRITTEN, traffic, bodyBytes, count, 1, 1, 0, 1, 1)
                : FeatureBenchmark.plan(topic, group, Durability.WRITTEN, traffic, bodyBytes, count, 0);
        WrittenBytes before = written.get();
        Load.Outcome outcome = Load.run(client, plan);
        WrittenBytes after = written.get();
        client.deleteTopic(topic).toCompletableFuture().get(60, TimeUnit.SECONDS);
        isGood &= outcome.verdict().isGood();
        System.out.printf(Locale.ROOT, "%s: %,.0f messages/s; %s%n", name, outcome.perSecond(), outcome.verdict());
        rows.add(new Row(
                name,
                count,
                new WrittenBytes(
                        after.messages() - before.messages(),
                        after.groups() - before.groups(),
                        after.checkpoints() - before.checkpoints(),
                        after.moved() - before.moved(),
                        after.others() - before.others())));
    }

    private void print() {
        System.out.println();
        System.out.printf(
                "%-32s %9s %9s %9s %9s %9s %9s %9s%n",
                "log bytes per message", "message", "group", "checkp.", "moved", "others", "total", "of body");
        for (Row row : rows) {
            double count = row.count;
            System.out.printf(
                    Locale.ROOT,
                    "%-32s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %8.2fx%n",
                    row.name,
                    row.bytes.messages() / count,
                    row.bytes.groups() / count,
                    row.bytes.checkpoints() / count,
                    row.bytes.moved() / count,
                    row.bytes.others() / count,
                    row.bytes.total() / count,
                    row.bytes.total() / count / bodyBytes);
        }
        System.out.printf(
                "%d-byte bodies. message: as sent, with id, times and frame; group: Pops, acks, nacks; checkp.: snapshots and%n"
                        + "manifests; moved: copies made by cleaning; others: names and settings.%n%n",
                bodyBytes);
    }
}
