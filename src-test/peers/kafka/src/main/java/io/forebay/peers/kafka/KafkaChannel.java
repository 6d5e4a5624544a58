package io.forebay.peers.kafka;

import io.forebay.yardstick.Batch;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Shape;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A topic and a share group of its name. */
final class KafkaChannel implements Contestant.Channel {
    private final Shape shape;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Map<String, Object> consumerSettings;

    KafkaChannel(Shape shape, KafkaProducer<byte[], byte[]> producer, Map<String, Object> consumerSettings) {
        this.shape = shape;
        this.producer = producer;
        this.consumerSettings = consumerSettings;
    }

    @Override
    public Contestant.Sender sender(int index) {
        return this::send;
    }

    private void send(Batch batch) {
        AtomicInteger left = new AtomicInteger(batch.count());
        Callback callback = (metadata, exception) -> {
            if (exception != null) {
                batch.failed(exception);
            } else if (left.decrementAndGet() == 0) {
                batch.confirmed();
            }
        };
        for (int i = 0; i < batch.count(); i++) {
            producer.send(new ProducerRecord<>(shape.name(), batch.queue(), null, batch.body(i)), callback);
        }
    }

    @Override
    public void receive(int index, Intake intake) {
        new KafkaReceiver(shape, consumerSettings, intake).run();
    }

    @Override
    public void close() {
        // The broker is thrown away with all its topics.
    }
}
