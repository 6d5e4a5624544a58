package io.forebay.peers.rocketmq;

import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Shape;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** A topic and a group of its name. */
final class RocketChannel implements Contestant.Channel {
    private final Shape shape;
    private final DefaultMQProducer producer;
    private final MQClientAPIImpl api;
    private final String brokerAddress;
    private final boolean isAnyQueue;

    RocketChannel(
            Shape shape, DefaultMQProducer producer, MQClientAPIImpl api, String brokerAddress, boolean isAnyQueue) {
        this.shape = shape;
        this.producer = producer;
        this.api = api;
        this.brokerAddress = brokerAddress;
        this.isAnyQueue = isAnyQueue;
    }

    @Override
    public Contestant.Sender sender(int index) {
        return new RocketSender(shape, producer);
    }

    @Override
    public void receive(int index, Intake intake) throws Exception {
        new RocketReceiver(shape, api, brokerAddress, isAnyQueue, intake).run(index);
    }

    @Override
    public void close() {
        // The broker is thrown away with all its topics.
    }
}
