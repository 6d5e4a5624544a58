package io.forebay.peers.rocketmq;

import io.forebay.yardstick.Batch;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends a batch as one message batch to one queue, keyed messages as one for each queue that their keys belong to. */
final class RocketSender implements Contestant.Sender {
    /** The broker's limit for a frame is 16 MiB. */
    private static final int PART_BYTES_MAX = 4 << 20;

    private final Shape shape;
    private final DefaultMQProducer producer;

    RocketSender(Shape shape, DefaultMQProducer producer) {
        this.shape = shape;
        this.producer = producer;
    }

    @Override
    public void send(Batch batch) throws Exception {
        Map<Integer, List<Message>> queues = new TreeMap<>();
        for (int i = 0; i < batch.count(); i++) {
            String key = batch.keyOrNull(i);
            int queue = key == null ? batch.queue() : Math.floorMod(key.hashCode(), shape.queues());
            queues.computeIfAbsent(queue, any -> new ArrayList<>()).add(new Message(shape.name(), batch.body(i)));
        }
        int partCountMax = Math.max(1, PART_BYTES_MAX / shape.bodyBytes());
        Confirmation confirmation = new Confirmation(batch, queues, partCountMax);
        for (Map.Entry<Integer, List<Message>> entry : queues.entrySet()) {
            MessageQueue queue = new MessageQueue(shape.name(), RocketContestant.BROKER_NAME, entry.getKey());
            List<Message> messages = entry.getValue();
            for (int from = 0; from < messages.size(); from += partCountMax) {
                List<Message> part = messages.subList(from, Math.min(from + partCountMax, messages.size()));
                if (part.size() == 1) {
                    producer.send(part.get(0), queue, confirmation);
                } else {
                    producer.send(part, queue, confirmation);
                }
            }
        }
    }

    /** Of a batch once all its parts are answered. */
    private static final class Confirmation implements SendCallback {
        private final Batch batch;
        private final AtomicInteger partsLeft;

        Confirmation(Batch batch, Map<Integer, List<Message>> queues, int partCountMax) {
            this.batch = batch;
            int parts = 0;
            for (List<Message> messages : queues.values()) {
                parts += (messages.size() + partCountMax - 1) / partCountMax;
            }
            partsLeft = new AtomicInteger(parts);
        }

        @Override
        public void onSuccess(SendResult result) {
            if (result.getSendStatus() != SendStatus.SEND_OK) {
                batch.failed(new IllegalStateException("a send ended with " + result.getSendStatus()));
            } else if (partsLeft.decrementAndGet() == 0) {
                batch.confirmed();
            }
        }

        @Override
        public void onException(Throwable e) {
            batch.failed(e);
        }
    }
}
