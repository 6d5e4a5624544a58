package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.client.ContactPoint;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** Addresses and durations as they are typed: what is taken, and the one line for what is not. */
class ArgumentsTest {

    @ParameterizedTest
    @CsvSource({
        "127.0.0.1:2551,          akka://forebay@127.0.0.1:2551",
        "node-1.example.org:1,    akka://forebay@node-1.example.org:1",
        "akka://other@host:65535, akka://other@host:65535",
        "[::1]:2551,              akka://forebay@[::1]:2551"
    })
    void addressHasBothForms(String text, String whole) {
        assertThat(connect(text)).hasToString(whole);
        assertThat(connect(whole)).hasToString(whole);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "host",
                "host:",
                ":2551",
                "host:port",
                "host:-1",
                "host:0",
                "host:65536",
                "host:99999999999",
                "http://host:80",
                "akka://host:80",
                "akka.tcp://s@host:80",
                "a b:80",
                "akka://s@host:80/user/x"
            })
    void badAddressIsNamedWithWhatIsAllowed(String text) {
        assertThatThrownBy(() -> connect(text))
                .isInstanceOf(CliException.class)
                .hasMessageStartingWith("--connect: ")
                .hasMessageContaining(text)
                .hasMessageContaining("HOST:PORT or akka://SYSTEM@HOST:PORT with a port of 1 to 65535")
                .extracting(e -> ((CliException) e).exitCode())
                .isEqualTo(ExitCode.USAGE);
    }

    @ParameterizedTest
    @CsvSource({
        "1ms, 1",
        "30s, 30000",
        "2m, 120000",
        "3min, 180000",
        "1h, 3600000",
        "1d, 86400000",
        "0s, 0",
        "15 s, 15000"
    })
    void durationHasAUnit(String text, long millis) {
        assertThat(Durations.parse("--wait", text, Duration.ZERO, Durations.MAX))
                .isEqualTo(Duration.ofMillis(millis));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "30",
                "-5s",
                "1.5s",
                "s",
                "5 weeks",
                "999999999999999d",
                "400d",
                "1e3s",
                "9999999999999999999s"
            })
    void badDurationIsNamedWithWhatIsAllowed(String text) {
        assertThatThrownBy(() -> Durations.parse("--wait", text, Duration.ZERO, Durations.MAX))
                .isInstanceOf(CliException.class)
                .hasMessageStartingWith("--wait is '" + text + "'; ")
                .hasMessageContaining("0s to 366d");
    }

    @Test
    void durationsArePrintedAsTheyAreTaken() {
        for (String text : new String[] {"0s", "1ms", "1500ms", "30s", "90s", "2m", "5h", "366d"}) {
            assertThat(Durations.print(Durations.parse("x", text, Duration.ZERO, Durations.MAX)))
                    .isEqualTo(text);
        }
        assertThat(Durations.glance(830_400)).isEqualTo("830 µs");
        assertThat(Durations.glance(4_230_000)).isEqualTo("4.2 ms");
        assertThat(Durations.glance(423_000_000)).isEqualTo("423 ms");
        assertThat(Durations.glance(12_520_000_000L)).isEqualTo("12.5 s");
    }

    @ParameterizedTest
    @CsvSource({
        "2026-11-26T14:05:00Z,      2026-11-26T14:05:00Z",
        "2026-11-26t14:05:00+02:00, 2026-11-26T12:05:00Z",
        "1795716013887,             2026-11-26T18:00:13.887Z",
        "30m,                       2026-03-01T11:30:00Z",
        "' 2d ',                    2026-02-27T12:00:00Z",
        "0s,                        2026-03-01T12:00:00Z"
    })
    void timeIsGivenOrCountedBackFromTheClock(String text, Instant time) {
        assertThat(Times.parse("--since", text, () -> Instant.parse("2026-03-01T12:00:00Z")))
                .isEqualTo(time);
    }

    private static ContactPoint connect(String text) {
        ConnectOptions options = new ConnectOptions();
        new CommandLine(options).parseArgs("--connect", text);
        return options.contactPoint();
    }
}
