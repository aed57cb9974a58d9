// The whole core under a script of sessions, frames (hostile ones too), time and ends. Two cores
// with different hash seeds live through the same: whatever is said, both give the same well-formed
// answers and states, every call is answered once it can be, and nothing is left in the end.
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <steward/manager/server/class.hpp>
#include <steward/tests/fuzz/core_script.hpp>
#include <steward/tests/fuzz/require.hpp>
#include <steward/tests/server/core_driver.hpp>

namespace steward::fuzz {
namespace {

using detail::core::kManagerObject;
using detail::test::CoreDriver;

constexpr int kSteps = 200;
constexpr std::string_view kManagerMethods[] = {
    "create", "claim",   "lease",             "revoke",     "drop",    "remove",
    "none",   "objects", "number_of_objects", "debug_info", "shutdown"};

detail::core::Limits limits_of(std::uint8_t small) {
  detail::core::Limits limits;
  limits.name_bytes = 1;  // so that all names can be tried in the end
  if ((small & 1U) != 0) limits.objects = 6;
  if ((small & 2U) != 0) limits.parked_calls = 3;
  if ((small & 4U) != 0) limits.reply_store_bytes = 1000;
  if ((small & 8U) != 0) limits.claim_leases = 1;
  if ((small & 16U) != 0) limits.calls_in_flight = 2;
  if ((small & 32U) != 0) limits.unsent_bytes = 1000;
  return limits;
}

class Play {
 public:
  explicit Play(std::string_view bytes)
      : script_(bytes), a_(registry_, limits_of(0), 1), b_(registry_, limits_of(0), 99) {}

  void run() {
    for (int i = 0; i < kSteps && !script_.done(); ++i) {
      step();
      look();
    }
    compare();
    expect_answers();
    end_all();
    tidy_up();
    compare();
    for (const CoreDriver* driver : {&a_, &b_}) {
      require(driver->core.number_of_sessions() == 0, "no session is left");
      require(driver->core.number_parked() == 0, "no parked call is left");
      require(driver->core.number_of_objects() == 0, "no object is left");
      require(!driver->core.next_deadline(), "nothing is waited for any more");
    }
  }

 private:
  struct Client {
    CoreDriver::Client driver;
    // Calls that nothing excuses from an answer.
    std::set<detail::core::Seq> asked = {};
    bool excused = false;  // it said what a decent client does not
  };

  void step() {
    switch (static_cast<Op>(script_.below(static_cast<std::size_t>(Op::count_)))) {
      case Op::open: return open();
      case Op::end: return end();
      case Op::pass: return pass(std::chrono::milliseconds(1ULL << script_.below(24)));
      case Op::raw: return raw();
      case Op::calls: return calls();
      case Op::create: return create();
      case Op::ack: return seqs(detail::core::Envelope::ack);
      case Op::cancel: return seqs(detail::core::Envelope::cancel);
      case Op::resume: return resume();
      case Op::compare: return compare();
      case Op::limits: return both([limits = limits_of(script_.byte())](CoreDriver& driver) {
        driver.apply(detail::server::input::LimitsChanged{limits});
      });
      case Op::count_: return;
    }
  }

  template <class F>
  void both(F f) {
    f(a_);
    f(b_);
  }

  // After each step: the same was said.
  void look() {
    require(a_.transcript == b_.transcript, "equal inputs give equal replies");
    require(a_.violations == b_.violations, "equal inputs give equal violations");
    require(a_.shutdown == b_.shutdown, "equal inputs ask for the same end");
    both([](CoreDriver& driver) { driver.transcript.clear(); });
  }

  void compare() {
    require(a_.core.save() == b_.core.save(), "equal inputs give equal states");
    require(a_.core.next_deadline() == b_.core.next_deadline(),
            "equal inputs give equal deadlines");
  }

  // nullptr: there is none.
  Client* client() {
    const std::size_t which = script_.byte();
    return clients_.empty() ? nullptr : &clients_[which % clients_.size()];
  }

  void request(const CoreDriver::Client& client, const std::string& frame) {
    both([&](CoreDriver& driver) { driver.request(client, frame); });
  }

  void open() {
    if (clients_.size() == kSessions) return;
    clients_.push_back({a_.open()});
    b_.open();
  }

  void end() {
    Client* client = this->client();
    const auto ending =
        script_.below(2) == 0 ? detail::server::Ending::died : detail::server::Ending::orderly;
    if (client == nullptr) return;
    both([&](CoreDriver& driver) { driver.end(client->driver, ending); });
    clients_.erase(clients_.begin() + (client - clients_.data()));
  }

  void pass(std::chrono::milliseconds time) {
    both([time](CoreDriver& driver) {
      driver.pass(time);
      const detail::core::Deadline next = driver.core.next_deadline();
      require(!next || *next > driver.now, "what is due is done");
    });
  }

  void raw() {
    Client* client = this->client();
    const std::string frame(script_.bytes());
    if (client == nullptr) return;
    client->excused = true;
    request(client->driver, frame);
  }

  detail::core::Seq new_seq(Client& client) {
    const std::uint8_t how = script_.byte();
    if (how % 16 == 0) client.excused = true;
    if (how == 0) return UINT64_MAX;
    if (how % 16 == 0) return 1 + how / 16U % client.driver.next_seq;  // again
    return client.driver.next_seq++;
  }

  detail::core::MethodKey new_method(detail::core::ObjectId object) {
    const std::uint8_t which = script_.byte();
    if (object == kManagerObject) return kManagerMethods[which % std::size(kManagerMethods)];
    if (which < 200) return std::uint32_t{which % 24U};
    const auto& classes = registry_.classes();
    const auto& methods = classes[which % classes.size()]->methods;
    return methods[script_.below(methods.size())].name;
  }

  void calls() {
    Client* client = this->client();
    if (client == nullptr) return;
    switch (const std::uint8_t how = script_.byte(); how % 16) {
      case 0: client->driver.first_incomplete = client->driver.next_seq; break;
      case 1:
        client->excused = true;
        client->driver.first_incomplete = how == 1 ? UINT64_MAX : how;
        break;
      default: break;
    }
    std::vector<std::string> written;
    std::vector<detail::core::Seq> asked;
    for (std::size_t count = 1 + script_.below(3); count > 0; --count) {
      detail::core::Call call;
      call.seq = new_seq(*client);
      call.thread = 1 + script_.below(3);
      if (const std::uint8_t wait = script_.byte(); wait < 100) call.wait_ms = wait * wait;
      call.object = detail::core::ObjectId{script_.below(24)};
      call.method = new_method(call.object);
      call.post = script_.below(8) == 0;
      const std::string args = take_arguments(script_, a_.core.identity().incarnation);
      call.args = args;
      detail::core::append_call(written.emplace_back(), call);
      if (!call.post) asked.push_back(call.seq);
    }
    const std::size_t violations = a_.violations.size();
    request(client->driver, detail::core::encode_calls(client->driver.first_incomplete,
                                               {written.begin(), written.end()}));
    // A malformed envelope is not served at all; the server closes that session.
    if (a_.violations.size() == violations) client->asked.insert(asked.begin(), asked.end());
  }

  void create() {
    Client* client = this->client();
    const auto& classes = registry_.classes();
    const std::string_view type = classes[script_.below(classes.size())]->name;
    const std::size_t name = script_.below(kNames * 4);
    std::string args;
    detail::core::Writer out(args);
    out.array(3);
    out.string(type);
    if (name < kNames) {
      out.string(std::string(1, static_cast<char>('a' + name)));
    } else {
      out.nil();
    }
    out.raw(take_arguments(script_, a_.core.identity().incarnation));
    if (client == nullptr) return;
    const detail::core::Seq seq = client->driver.next_seq++;
    request(client->driver, a_.frame(client->driver, seq, kManagerObject, "create", args));
  }

  std::vector<detail::core::Seq> some_seqs(const Client& client) {
    std::vector<detail::core::Seq> seqs;
    for (std::size_t count = script_.below(6); count > 0; --count) {
      seqs.push_back(script_.byte() % (client.driver.next_seq + 1));
    }
    return seqs;
  }

  void seqs(detail::core::Envelope kind) {
    Client* client = this->client();
    if (client == nullptr) return;
    request(client->driver, detail::core::encode_seqs(kind, some_seqs(*client)));
  }

  void resume() {
    Client* client = this->client();
    if (client == nullptr) return;
    client->excused = true;  // what it does not list is dropped
    const detail::server::input::SessionResumed input{client->driver.session, some_seqs(*client),
                                              client->driver.first_incomplete};
    both([&](CoreDriver& driver) { driver.apply(input); });
  }

  // A call has its answer, or waits, and then a cancel brings it.
  void expect_answers() {
    for (const Client& client : clients_) {
      if (client.excused) continue;
      for (const detail::core::Seq seq : client.asked) {
        const std::string frame = detail::core::encode_seqs(detail::core::Envelope::cancel, {seq});
        if (!a_.answered(client.driver, seq)) request(client.driver, frame);
        require(a_.answered(client.driver, seq), "every call is answered");
      }
    }
  }

  void end_all() {
    bool died = false;
    for (const Client& client : clients_) {
      const auto ending = std::exchange(died, !died) ? detail::server::Ending::died
                                                     : detail::server::Ending::orderly;
      both([&](CoreDriver& driver) { driver.end(client.driver, ending); });
    }
    clients_.clear();
    both([](CoreDriver& driver) {
      driver.apply(detail::server::input::LimitsChanged{limits_of(0)});
    });
    pass(detail::core::Limits().claim_lease);
  }

  // Names, and objects that hold each other in a circle, outlive their sessions.
  void tidy_up() {
    CoreDriver::Client janitor = a_.open();
    b_.open();
    std::vector<std::string> removals;
    for (int name = 0; name < 256; ++name) {
      const std::string args = detail::test::arguments(std::string(1, static_cast<char>(name)));
      detail::core::append_call(removals.emplace_back(), {janitor.next_seq++, 1, std::nullopt,
                                                  kManagerObject, "remove", args, true});
    }
    request(janitor, detail::core::encode_calls(1, {removals.begin(), removals.end()}));
    const Value all = call(janitor, kManagerObject, "objects", detail::test::arguments()).result;
    for (const Value& handle : all.list()) empty(janitor, handle.reference()->token());
    both([&](CoreDriver& driver) { driver.end(janitor, detail::server::Ending::orderly); });
  }

  void empty(CoreDriver::Client& janitor, const detail::core::Token& token) {
    if (token.type == "list" || token.type == "dict") {
      require(call(janitor, token.object, "clear", detail::test::arguments()).code ==
                  detail::core::ErrorCode::ok,
              "a container can be cleared");
    } else if (token.type == "queue") {
      const Answer got = call(janitor, token.object, "try_get", detail::test::arguments());
      request(janitor,
              detail::core::encode_seqs(detail::core::Envelope::ack, {janitor.next_seq - 1}));
      if (got.code == detail::core::ErrorCode::ok && !got.result.list().empty())
        empty(janitor, token);
    }
  }

  using Answer = detail::test::Answer;
  Answer call(CoreDriver::Client& client, detail::core::ObjectId object, std::string_view method,
              const std::string& args) {
    CoreDriver::Client twin = client;
    b_.call(twin, object, method, args);
    return a_.call(client, object, method, args);
  }

  Script script_;
  const detail::server::Registry registry_ = detail::server::builtin_classes();
  CoreDriver a_;
  CoreDriver b_;
  std::vector<Client> clients_;
};

}  // namespace
}  // namespace steward::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  steward::fuzz::Play(steward::fuzz::view_of(data, size)).run();
  return 0;
}
