package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.support.ForkedJvm;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * {@link MountedDisksTest} by default: in a process with mounts of its own, of which the machine sees nothing and which end with it. As
 * root all of it runs; elsewhere what a user may mount for himself, if the kernel lets him; what is left out is told with its
 * reason.
 */
@Tag("proof")
@EnabledOnOs(OS.LINUX)
@Timeout(value = 6, unit = TimeUnit.MINUTES)
class PrivateMountsTest {
    private static final List<List<String>> WAYS = List.of(
            List.of("unshare", "--mount", "--propagation", "private"),
            List.of("unshare", "--map-root-user", "--mount"));

    private static final Pattern RAN = Pattern.compile(MountedDisksRun.RAN + "(\\d+), left out (\\d+)");
    private static final Pattern PROOF =
            Pattern.compile("proof: kills (\\d+), images (\\d+),.* messages acknowledged (\\d+), lost (\\d+), .*");

    @Test
    void realDisksWithoutRoomLoseNothing() throws Exception {
        List<String> command = new ArrayList<>(way());
        command.addAll(ForkedJvm.command(MountedDisksRun.class, "-Xmx512m", "-Dforebay.mounts=true"));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String last = "";
        try (BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                Matcher proof = PROOF.matcher(line);
                if (proof.matches()) {
                    Proof.kills.add(Long.parseLong(proof.group(1)));
                    Proof.images.add(Long.parseLong(proof.group(2)));
                    Proof.messagesAcknowledged.add(Long.parseLong(proof.group(3)));
                    Proof.lost.add(Long.parseLong(proof.group(4)));
                } else {
                    System.out.println("mounted disks: " + line);
                    last = line.isBlank() ? last : line;
                }
            }
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor()).as("tests failed, see above").isZero();
        Matcher ran = RAN.matcher(last);
        assertThat(ran.matches()).as("the last line is '%s'", last).isTrue();
        Assumptions.assumeTrue(Integer.parseInt(ran.group(1)) > 0, "nothing may be mounted here, see above");
        assertThat(Integer.parseInt(ran.group(1)) + Integer.parseInt(ran.group(2)))
                .isEqualTo(3);
    }

    private static List<String> way() throws InterruptedException {
        List<String> reasons = new ArrayList<>();
        for (List<String> way : WAYS) {
            List<String> command = new ArrayList<>(way);
            command.add("true");
            try {
                Process process =
                        new ProcessBuilder(command).redirectErrorStream(true).start();
                String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                if (process.waitFor() == 0) {
                    return way;
                }
                reasons.add(said.strip());
            } catch (IOException e) {
                reasons.add(e.getMessage());
            }
        }
        System.out.println("mounted disks: left out, no process may have mounts of its own here: " + reasons);
        return Assumptions.abort("no mounts: " + reasons);
    }
}
