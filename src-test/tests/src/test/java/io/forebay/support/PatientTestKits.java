package io.forebay.support;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;

/**
 * Actor test kits whose probes wait longer for what has to come than anything takes on a machine that is busy with something else;
 * Akka's own give up after three seconds. How long they wait for nothing to come stays as it is.
 */
public final class PatientTestKits {
    private static final Config PATIENCE = ConfigFactory.parseString("""
        akka.actor.testkit.typed {
          single-expect-default = 30 s, default-timeout = 30 s, system-shutdown-default = 30 s
        }
        """);

    private PatientTestKits() {}

    public static ActorTestKit create() {
        return create(ConfigFactory.load());
    }

    /** @param config all settings of the actor system */
    public static ActorTestKit create(Config config) {
        return ActorTestKit.create(PATIENCE.withFallback(config));
    }

    /** @param config all settings of the actor system */
    public static ActorTestKit create(String name, Config config) {
        return ActorTestKit.create(name, PATIENCE.withFallback(config));
    }
}
