package io.forebay.peers.kafka;

import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Shape;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Polls, acknowledges each record, and commits without waiting. Confined to its thread, callbacks and all. */
final class KafkaReceiver {
    private static final Duration POLL = Duration.ofMillis(100);

    private final Shape shape;
    private final Map<String, Object> consumerSettings;
    private final Intake intake;
    /** Offsets by partition whose answer is no ack. */
    private final Map<Integer, Set<Long>> givenBack = new HashMap<>();

    KafkaReceiver(Shape shape, Map<String, Object> consumerSettings, Intake intake) {
        this.shape = shape;
        this.consumerSettings = consumerSettings;
        this.intake = intake;
    }

    void run() {
        Map<String, Object> settings = new HashMap<>(consumerSettings);
        settings.put("group.id", shape.name());
        try (KafkaShareConsumer<byte[], byte[]> consumer =
                new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.setAcknowledgementCommitCallback(this::acknowledged);
            consumer.subscribe(List.of(shape.name()));
            while (!intake.isOver()) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    if (intake.take(record.value())) {
                        consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    } else {
                        givenBack
                                .computeIfAbsent(record.partition(), any -> new HashSet<>())
                                .add(record.offset());
                        consumer.acknowledge(record, AcknowledgeType.RELEASE);
                    }
                }
                if (!records.isEmpty()) {
                    consumer.commitAsync();
                }
            }
        }
    }

    private void acknowledged(Map<TopicIdPartition, Set<Long>> offsets, Exception exception) {
        if (exception != null) {
            intake.failed(exception);
            return;
        }
        int ackCount = 0;
        for (Map.Entry<TopicIdPartition, Set<Long>> entry : offsets.entrySet()) {
            Set<Long> others = givenBack.getOrDefault(entry.getKey().partition(), Set.of());
            for (long offset : entry.getValue()) {
                ackCount += others.isEmpty() || !others.remove(offset) ? 1 : 0;
            }
        }
        if (ackCount > 0) {
            intake.acked(ackCount);
        }
    }
}
