// That the benchmark runs everything it promises and writes it down. Nothing here looks at a time:
// figures are for people, on a machine that does nothing else.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

class BenchTest : public testing::Test {
 protected:
  BenchTest() {
    std::string name = (std::filesystem::temp_directory_path() / "bench-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
  }
  ~BenchTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  Ran run(const std::string& arguments, const std::string& environment = {}) const {
    const std::string command = "echo $$ >" + path("pid") + "; TMPDIR=" + directory_ + " " +
                                environment + " exec " + STEWARD_BENCH + " " + arguments + " >" +
                                path("out") + " 2>" + path("err");
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("out"), read("err")};
  }
  // A quick run and what it wrote.
  json quick(const std::string& arguments, const std::string& environment = {}) const {
    const Ran ran = run("--quick --json " + path("json") + " " + arguments, environment);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(read("json"), nullptr, false);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string directory_;
};

bool has_note(const json& report, const std::string& word) {
  for (const json& note : report.at("notes")) {
    if (note.get<std::string>().find(word) != std::string::npos) return true;
  }
  return false;
}

using Names = std::set<std::string>;

Names names_of(const json& report) {
  Names names;
  for (const json& row : report.at("rows")) {
    const auto text = [&](const char* key) { return row.at(key).get<std::string>(); };
    const bool is_new = names.insert(text("group") + "/" + text("peer") + "/" + text("over") + "/" +
                                     text("what")).second;
    EXPECT_TRUE(is_new) << "twice: " << row;
  }
  return names;
}

void expect_rows(const json& report, const std::string& begin,
                 const std::vector<std::string>& whats) {
  const Names names = names_of(report);
  for (const std::string& what : whats) {
    EXPECT_TRUE(names.contains(begin + what)) << "missing: " << begin + what;
  }
}

const std::vector<std::string> kOperations{"dict get", "dict set", "list append",
                                           "queue put + get", "lock + unlock"};

// Every row has a spread that is one, a sample of each round, and a unit.
void expect_sound(const json& report) {
  const Names units{"us", "calls/s", "messages/s", "GB/s", "bytes", "% of a CPU"};
  for (const json& row : report.at("rows")) {
    EXPECT_TRUE(units.contains(row.at("unit").get<std::string>())) << row;
    EXPECT_FALSE(row.at("samples").empty()) << row;
    EXPECT_LE(row.at("q1").get<double>(), row.at("median").get<double>()) << row;
    EXPECT_LE(row.at("median").get<double>(), row.at("q3").get<double>()) << row;
    const bool of_messages = row.at("unit") == "messages/s";
    const bool of_calls = of_messages || row.at("unit") == "us" || row.at("unit") == "calls/s";
    if (of_calls) {
      EXPECT_GT(row.at("median").get<double>(), 0) << row;
    }
    EXPECT_EQ(row.at("times_line").is_number(), of_calls) << row;
    EXPECT_EQ(row.at("times_futex").is_number(), of_calls) << row;
    EXPECT_EQ(row.contains("times_copy"), of_messages) << row;
  }
  for (const json& ratio : report.at("ratios")) {
    EXPECT_GT(ratio.at("median").get<double>(), 0) << ratio;
    EXPECT_EQ(ratio.contains("mark"), ratio.contains("met")) << ratio;
    EXPECT_EQ(ratio.contains("mark"), ratio.contains("limit")) << ratio;
  }
}

std::size_t marks_of(const json& report) {
  std::size_t marks = 0;
  for (const json& ratio : report.at("ratios")) marks += ratio.contains("mark") ? 1 : 0;
  return marks;
}

TEST_F(BenchTest, SaysWhereAndHowItWasMeasured) {
  const json report = quick("--only calls");
  for (const char* fact : {"cpu", "processors", "kernel", "compiler", "build", "zeromq", "date",
                           "command", "load before", "load after"}) {
    EXPECT_FALSE(report.at("facts").at(fact).get<std::string>().empty()) << fact;
  }
  expect_rows(report, "calibration/machine/", {"spinning/cache line round trip",
                                               "sleeping/futex round trip", "32 MiB/memcpy"});
}

TEST_F(BenchTest, MeasuresCallsOfAllPeers) {
  const json report = quick("--only calls");
  expect_sound(report);
  std::size_t marks = 1;
  for (const std::string over : {"ipc/", "tcp/"}) {
    expect_rows(report, "calls/steward/" + over, kOperations);
    expect_rows(report, "calls/zeromq/" + over,
                {"echo, zmq_recv at both ends", "echo, poll at both ends"});
  }
  if (!has_note(report, "redis-server")) {
    expect_rows(report, "calls/redis/unix/", {"dict get", "dict set", "list append"});
    marks += 1;
  }
  if (!has_note(report, "python3")) {
    expect_rows(report, "calls/cpython/unix/", kOperations);
    marks += 2;
  }
  EXPECT_EQ(marks_of(report), marks);
}

TEST_F(BenchTest, PassesOverPeersThatAreNotInstalled) {
  const json report = quick("--only calls", "PATH=/nonexistent");
  EXPECT_TRUE(has_note(report, "redis-server"));
  EXPECT_TRUE(has_note(report, "python3"));
  for (const std::string& name : names_of(report)) {
    EXPECT_EQ(name.find("redis"), std::string::npos) << name;
    EXPECT_EQ(name.find("cpython"), std::string::npos) << name;
  }
  expect_rows(report, "calls/steward/ipc/", kOperations);
}

TEST_F(BenchTest, MeasuresManyCallsUnderWay) {
  const json report = quick("--only pipelined");
  expect_sound(report);
  for (const std::string over : {"ipc/", "tcp/"}) {
    expect_rows(report, "pipelined/zeromq/" + over, {"echo"});
    expect_rows(report, "pipelined/steward/" + over,
                {"dict get, a call an envelope", "dict get, 16 calls an envelope",
                 "dict get, 16 threads, API"});
  }
}

TEST_F(BenchTest, MeasuresWhatACallCostsTheServer) {
  const json report = quick("--only cpu");
  expect_sound(report);
  for (const std::string over : {"ipc/", "tcp/"}) {
    expect_rows(report, "cpu/zeromq/" + over,
                {"echo, zmq_recv, all clients", "echo, zmq_recv, server CPU",
                 "echo, poll, all clients", "echo, poll, server CPU"});
    expect_rows(report, "cpu/steward/" + over, {"dict get, all clients", "dict get, server CPU"});
  }
  EXPECT_EQ(marks_of(report), 2U);
}

TEST_F(BenchTest, MeasuresWhatIdleClientsCost) {
  const json report = quick("--only connections --connections 7");
  expect_sound(report);
  expect_rows(report, "connections/zeromq/tcp/", {"server memory of a connection"});
  for (const std::string state : {"alone", "beside 7 idle"}) {
    expect_rows(report, "connections/steward/tcp/",
                {"dict get, p50, " + state, "dict get, p99, " + state, "server CPU of it, " + state,
                 "server CPU without calls, " + state});
  }
  expect_rows(report, "connections/steward/tcp/", {"server memory of an idle client"});
}

const std::vector<std::string> kSizes{"8 B", "64 B", "256 B", "1 KiB", "4 KiB", "64 KiB", "1 MiB"};

TEST_F(BenchTest, MeasuresQueuesOfAllPeers) {
  const json report = quick("--only queue");
  expect_sound(report);
  const std::string group = "queue, 1 producer 1 consumer/";
  expect_rows(report, group + "steward/shm/", kSizes);
  expect_rows(report, group + "steward/shm/", {"8 B, 16 a call", "64 B, 16 a call"});
  expect_rows(report, group + "steward/shm/",
              {"4 KiB, in place", "64 KiB, in place", "1 MiB, in place"});
  expect_rows(report, group + "boost/shm/", kSizes);
  expect_rows(report, group + "zeromq/ipc/", kSizes);
  expect_rows(report, group + "socket/unix/", {kSizes.begin(), kSizes.end() - 1});
  std::size_t marks = 2;
  if (!has_note(report, "no POSIX")) expect_rows(report, group + "posix/mq/", {"64 B"});
  if (!has_note(report, "redis-server")) expect_rows(report, group + "redis/unix/", {"64 B"});
  if (!has_note(report, "python3")) {
    expect_rows(report, group + "cpython/pipe/", {"64 B", "1 KiB", "64 KiB"});
    expect_rows(report, group + "cpython/manager/", {"64 B"});
    marks += 2;
  }
  EXPECT_EQ(marks_of(report), marks);
}

TEST_F(BenchTest, PassesOverQueuesThatAreNotInstalled) {
  const json report = quick("--only queue,queue_many", "PATH=/nonexistent");
  EXPECT_TRUE(has_note(report, "redis-server"));
  EXPECT_TRUE(has_note(report, "python3"));
  for (const std::string& name : names_of(report)) {
    EXPECT_EQ(name.find("redis"), std::string::npos) << name;
    EXPECT_EQ(name.find("cpython"), std::string::npos) << name;
  }
  expect_rows(report, "queue, 1 producer 1 consumer/steward/shm/", kSizes);
  expect_rows(report, "queue, 4 producers 4 consumers/steward/shm/", {"64 B"});
}

TEST_F(BenchTest, MeasuresTheWayThroughAQueueAndBack) {
  const json report = quick("--only queue_trip");
  expect_sound(report);
  const std::string spinning = "queue round trip, spinning/";
  expect_rows(report, spinning + "machine/spinning/", {"cache line"});
  expect_rows(report, spinning + "steward/shm/", {"8 B", "8 B, try_get", "64 B", "64 B, try_get"});
  const std::string sleeping = "queue round trip, sleeping/";
  expect_rows(report, sleeping + "machine/futex/", {"futex"});
  expect_rows(report, sleeping + "steward/shm/", {"8 B", "64 B"});
  for (const std::string peer : {"boost/shm/", "socket/unix/", "zeromq/ipc/"}) {
    expect_rows(report, sleeping + peer, {"64 B"});
  }
  EXPECT_EQ(marks_of(report), 3U);
}

TEST_F(BenchTest, MeasuresAQueueOfMoreProcessesThanProcessors) {
  const json report = quick("--only queue_many");
  expect_sound(report);
  const std::string group = "queue, 4 producers 4 consumers/";
  expect_rows(report, group + "steward/shm/", {"64 B"});
  expect_rows(report, group + "boost/shm/", {"64 B"});
  if (!has_note(report, "python3")) expect_rows(report, group + "cpython/pipe/", {"64 B"});
  EXPECT_EQ(marks_of(report), 1U);
}

TEST_F(BenchTest, MeasuresWhatWaitingCosts) {
  const json report = quick("--only queue_idle --idle 50");
  expect_rows(report, "queue, idle/steward/shm/",
              {"4 consumers in get()", "their manager", "all of them"});
  EXPECT_EQ(marks_of(report), 1U);
}

TEST_F(BenchTest, MeasuresPools) {
  const json report = quick("--only pool");
  expect_sound(report);
  const std::vector<std::string> rows{"map", "map, chunks of 1", "apply", "start of a pool of 4",
                                      "start and end of a process"};
  expect_rows(report, "pool/steward/shm/", rows);
  if (has_note(report, "python3")) return;
  expect_rows(report, "pool/cpython/pipe/", rows);
  EXPECT_EQ(marks_of(report), 5U);
}

TEST_F(BenchTest, LeavesNothingBehind) {
  const json report = quick("--only queue,queue_trip,queue_many,queue_idle,pool --idle 1");
  const std::set<std::string> own{"out", "err", "json", "pid"};
  for (const auto& entry : std::filesystem::directory_iterator(path(""))) {
    EXPECT_TRUE(own.contains(entry.path().filename().string())) << entry;
  }
  const std::string mark = "steward-bench-" + std::to_string(std::stol(read("pid")));
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(mark)) << entry;
  }
  for (const std::string name : {"64", "asked", "there", "back"}) {
    EXPECT_EQ(::mq_open(("/" + mark + "-" + name).c_str(), O_RDONLY), -1) << name;
  }
}

TEST_F(BenchTest, MeasuresOnlyWhatItIsTold) {
  const json report = quick("--only cpu,connections");
  for (const json& row : report.at("rows")) {
    const Names wanted{"calibration", "cpu", "connections"};
    EXPECT_TRUE(wanted.contains(row.at("group").get<std::string>())) << row;
  }
}

TEST_F(BenchTest, PrintsMedianQuartilesAndMarks) {
  const Ran ran = run("--quick --only cpu");
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* words : {"median", "quartile", "x line", "x futex", "at most 2: "}) {
    EXPECT_NE(ran.out.find(words), std::string::npos) << words << " is missing in\n" << ran.out;
  }
}

TEST_F(BenchTest, RefusesAGroupThatThereIsNot) {
  const Ran ran = run("--quick --only speed");
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("speed"), std::string::npos) << ran.err;
}

}  // namespace
