package io.forebay.journals;

import akka.actor.ActorSystem;
import com.typesafe.config.Config;
import io.forebay.yardstick.Setup;
import java.util.Map;

/** An implementation of Akka's journal, as it is set up for the benchmark; has a public constructor without parameters. */
public interface Journal {
    /** What an application would say to use it, on top of what {@code reference.conf} says; the snapshot store is not used. */
    Config config(Setup setup);

    /** Of what is measured, and how it is set up, to be told beside the figures. */
    Map<String, String> settings();

    /** Called once, before the first actor. */
    default void prepare(ActorSystem system) throws Exception {}
}
