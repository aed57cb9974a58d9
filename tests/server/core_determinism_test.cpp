// The core's law: state and outputs are a function of the inputs and of nothing else. Two cores
// with different hash seeds get the same random inputs; everything that can be seen must be equal.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

std::uint64_t seed_of_run() {
  const char* given = std::getenv("STEWARD_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10)
                                              : std::random_device{}();
  std::cout << "STEWARD_SEED=" << seed << "\n";
  return seed;
}

// Draws inputs as a handful of clients would send them, hostile ones included.
class Inputs {
 public:
  explicit Inputs(std::uint64_t seed) : random_(seed) {}

  // Results of work that changed what can be seen.
  std::size_t works_done() const { return works_done_; }

  // Gives the same next input to both.
  void step(CoreDriver& a, CoreDriver& b) {
    switch (below(20)) {
      case 0: return open(a, b);
      case 1: return below(4) == 0 ? end(a, b) : open(a, b);
      case 2: {
        const std::chrono::milliseconds time(below(200));
        a.pass(time);
        b.pass(time);
        return;
      }
      case 3: return create(a, b);
      case 4: return map(a, b);
      case 5:
      case 6:
      case 7: return finish_work(a, b);
      default: return call(a, b);
    }
  }

 private:
  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }

  void open(CoreDriver& a, CoreDriver& b) {
    if (clients_.size() >= 8) return;
    clients_.push_back(a.open());
    b.open();
  }

  void end(CoreDriver& a, CoreDriver& b) {
    if (clients_.size() < 2) return;
    const std::size_t which = below(clients_.size());
    const auto ending = below(2) == 0 ? server::Ending::died : server::Ending::orderly;
    a.end(clients_[which], ending);
    b.end(clients_[which], ending);
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  void request(CoreDriver& a, CoreDriver& b, const CoreDriver::Client& client,
               const std::string& frame) {
    a.request(client, frame);
    b.request(client, frame);
  }

  CoreDriver::Client* client() {
    return clients_.empty() ? nullptr : &clients_[below(clients_.size())];
  }

  void create(CoreDriver& a, CoreDriver& b) {
    CoreDriver::Client* who = client();
    if (who == nullptr) return;
    const auto& classes = registry_.classes();
    const std::string_view type = classes[below(classes.size())]->name;
    std::string args;
    core::Writer writer(args);
    writer.array(3);
    writer.string(type);
    core::pack(args, below(3) == 0 ? Value("name" + std::to_string(below(4))) : Value());
    writer.raw(type == "queue" ? arguments(below(4)) : arguments());
    const std::size_t before = a.core.number_of_objects();
    request(a, b, *who, a.frame(*who, who->next_seq++, core::kManagerObject, "create", args));
    if (a.core.number_of_objects() > before) types_.push_back(type);
  }

  void both(CoreDriver& a, CoreDriver& b, const server::Input& input) {
    a.apply(input);
    b.apply(input);
  }

  void map(CoreDriver& a, CoreDriver& b) {
    // Mostly a queue, of the latest: the others may be gone.
    std::uint64_t object = below(types_.size() + 2);
    for (int tries = 0; tries < 20 && !types_.empty(); ++tries) {
      const std::size_t back = below(std::min<std::size_t>(types_.size(), 12));
      object = types_.size() - back;
      if (types_[object - 1] == "queue") break;
    }
    both(a, b, server::input::QueueMapped{core::ObjectId{object}});
  }

  // As a ring might: any of the work that is to be done, done or not, with any result.
  void finish_work(CoreDriver& a, CoreDriver& b) {
    if (a.work.empty()) return;
    const std::size_t which = a.work.size() - 1 - below(std::min<std::size_t>(a.work.size(), 6));
    const server::Work work = a.work[which];
    a.work.erase(a.work.begin() + static_cast<std::ptrdiff_t>(which));
    if (below(20) == 0) return;
    server::WorkResult result;
    if (below(6) == 0) {
      result.code = below(2) == 0 ? core::ErrorCode::closed : core::ErrorCode::overloaded;
      result.text = "no";
    }
    result.number = below(4) == 0 ? below(3) : work.items.size();
    const std::string value = core::encoded(below(3) == 0 ? handle() : Value("from the ring"));
    const std::string stub(1, static_cast<char>(1 + below(4)));
    const std::string stub_bytes = stub + std::string(server::kStubBytes - 1, '\0');
    const std::uint64_t items = below(4);
    for (std::uint64_t i = 0; i < items; ++i) {
      const auto format = static_cast<std::uint32_t>(below(4));
      result.items.push_back({format == 2 ? stub_bytes : value, format});
    }
    for (const server::RingItem& item : work.items) {
      if (below(3) != 0) result.let_go.push_back(item.number);
    }
    const std::size_t before = a.transcript.size();
    both(a, b, server::input::WorkDone{work.object, work.park, result});
    if (a.transcript.size() > before) ++works_done_;
  }

  void call(CoreDriver& a, CoreDriver& b) {
    CoreDriver::Client* who = client();
    if (who == nullptr || types_.empty()) return;
    // Of the latest ones: the others may be gone.
    const std::uint64_t index = types_.size() - 1 - below(std::min<std::size_t>(types_.size(), 12));
    const core::ObjectId object{1 + index};
    who->thread = 1 + below(2);
    if (below(30) == 0) {
      const auto kind = below(2) == 0 ? core::Envelope::ack : core::Envelope::cancel;
      return request(a, b, *who, core::encode_seqs(kind, {1 + below(who->next_seq)}));
    }
    // Retries now and then; completed calls are forgotten now and then.
    const bool again = who->next_seq > 1 && below(10) == 0;
    const core::Seq seq = again ? 1 + below(who->next_seq - 1) : who->next_seq++;
    if (below(10) == 0) who->first_incomplete = std::max<core::Seq>(1, who->next_seq / 2);
    const auto wait = below(2) == 0 ? std::optional<std::uint64_t>(below(300)) : std::nullopt;
    const auto& classes = registry_.classes();
    const auto& methods = below(8) == 0 ? classes[below(classes.size())]->methods
                                        : registry_.find(types_[index])->methods;
    request(a, b, *who,
            a.frame(*who, seq, object, methods[below(methods.size())].name, random_arguments(),
                    wait, below(10) == 0));
  }

  Value value() {
    switch (below(9)) {
      case 0: return {};
      case 1: return below(2) == 0;
      case 2: return static_cast<double>(below(5)) / 2;
      case 3: return "key" + std::to_string(below(20));
      case 4: return Value::List{static_cast<std::int64_t>(below(4)), "x"};
      case 5: return handle();
      default: return static_cast<std::int64_t>(below(12)) - 3;
    }
  }

  Value handle() {
    core::Token token;
    token.incarnation = identity_of_test().incarnation;
    token.object = core::ObjectId{1 + below(types_.size() + 1)};
    token.type = "list";
    return Value::of_reference(std::make_shared<const core::Reference>(token));
  }

  std::string random_arguments() {
    TokenHandleCodec codec;
    const core::HandleCodecScope scope(codec);
    switch (below(6)) {
      case 0: return arguments();
      case 1: return arguments(value(), value());
      case 2: return arguments(value(), value(), value());
      case 3: return arguments(Value::List{value(), value(), value()});
      default: return arguments(value());
    }
  }

  std::mt19937_64 random_;
  const server::Registry registry_ = server::builtin_classes();
  std::size_t works_done_ = 0;
  std::vector<CoreDriver::Client> clients_;
  std::vector<std::string_view> types_;  // of the objects ever made
};

TEST(CoreDeterminism, EqualInputsGiveEqualOutputsAndStateWhateverTheHashSeed) {
  const std::uint64_t seed = seed_of_run();
  const int rounds = std::getenv("STEWARD_FULL") != nullptr ? 200 : 10;
  std::size_t works_done = 0;
  for (int round = 0; round < rounds; ++round) {
    const server::Registry registry = server::builtin_classes();
    CoreDriver a(registry, {}, 1);
    CoreDriver b(registry, {}, 99);
    Inputs inputs(seed + static_cast<std::uint64_t>(round));
    for (int i = 0; i < 2000; ++i) {
      inputs.step(a, b);
      ASSERT_EQ(a.transcript.size(), b.transcript.size()) << "round " << round << " step " << i;
    }
    ASSERT_EQ(a.transcript, b.transcript) << "round " << round;
    ASSERT_EQ(a.core.save(), b.core.save()) << "round " << round;
    ASSERT_EQ(a.core.next_deadline(), b.core.next_deadline());
    EXPECT_GT(a.transcript.size(), 500U);
    works_done += inputs.works_done();
    EXPECT_GT(a.successes, 100U) << "the inputs are all wrong: the comparison proves little";
  }
  EXPECT_GT(works_done, 5U * static_cast<unsigned>(rounds)) << "rings are hardly in it";
}

// What an engine has to rely on: a state and inputs that are written down, and nothing else.
TEST(CoreDeterminism, ACoreOfASavedStateThatReadsTheLogGoesOnIdentically) {
  const std::uint64_t seed = seed_of_run();
  const int rounds = std::getenv("STEWARD_FULL") != nullptr ? 200 : 10;
  for (int round = 0; round < rounds; ++round) {
    const server::Registry registry = server::builtin_classes();
    CoreDriver a(registry, {}, 1);
    CoreDriver b(registry, {}, 99);
    b.logged = true;
    Inputs inputs(seed + static_cast<std::uint64_t>(round));
    for (int i = 0; i < 2000; ++i) {
      inputs.step(a, b);
      if (i % 50 != 0) continue;
      const std::string saved = b.core.save();
      b.reload(registry, static_cast<std::uint8_t>(i));
      ASSERT_EQ(saved, b.core.save()) << "round " << round << " step " << i;
      ASSERT_EQ(a.core.bytes_of_objects(), b.core.bytes_of_objects());
    }
    ASSERT_EQ(a.transcript, b.transcript) << "round " << round;
    ASSERT_EQ(a.core.save(), b.core.save()) << "round " << round;
    ASSERT_EQ(a.core.next_deadline(), b.core.next_deadline());
    EXPECT_GT(a.successes, 100U) << "the inputs are all wrong: the comparison proves little";
  }
}

TEST(CoreDeterminism, ASavedStateThatIsDamagedIsRefusedInASentence) {
  const server::Registry registry = server::builtin_classes();
  CoreDriver driver(registry);
  CoreDriver::Client client = driver.open();
  const core::ObjectId list = driver.create(client, "list", arguments(Value::List{1, "two"}));
  const core::ObjectId queue = driver.create(client, "queue", arguments(), "work");
  driver.call(client, list, "append", arguments(Value::List{3}));
  driver.send(client, queue, "get", arguments(), 1000);
  const std::string saved = driver.core.save();
  const auto load = [&](const std::string& state) {
    const server::Core core(identity_of_test(), registry, std::string_view(state));
  };
  EXPECT_NO_THROW(load(saved));
  for (std::size_t size = 0; size < saved.size(); ++size) {
    EXPECT_THROW(load(saved.substr(0, size)), BadCall) << size;
  }
  EXPECT_THROW(load(saved + "x"), BadCall);
  // Any byte may be another: it is refused, or it is the state of another core.
  for (std::size_t i = 0; i < saved.size(); ++i) {
    for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
      std::string other = saved;
      other[i] = static_cast<char>(other[i] ^ flip);
      try {
        load(other);
      } catch (const Error&) {
      }
    }
  }
}

TEST(CoreDeterminism, NothingIsLeftWhenAllSessionsHaveEnded) {
  const server::Registry registry = server::builtin_classes();
  CoreDriver driver(registry);
  CoreDriver::Client client = driver.open();
  for (const auto& type : registry.classes()) driver.create(client, type->name, arguments());
  EXPECT_EQ(driver.core.number_of_objects(), registry.classes().size());
  driver.end(client);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
  EXPECT_EQ(driver.core.number_parked(), 0U);
  EXPECT_EQ(driver.core.number_of_sessions(), 0U);
}

}  // namespace
}  // namespace steward::detail::test
