#include <steward/tests/simulation/world.hpp>

#include <algorithm>
#include <utility>

#include <steward/tests/simulation/seeded_bytes.hpp>

namespace steward::detail::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr core::Duration kCalmMost = seconds(30);
constexpr std::uint64_t kCalmSteps = 50'000;
const std::string kNoArguments(core::kNoArguments);

std::string one_argument(std::uint64_t value) {
  std::string args;
  core::Writer writer(args);
  writer.array(1);
  writer.natural(value);
  return args;
}

std::vector<std::int64_t> ids_in(const std::string& list) {
  std::vector<std::int64_t> ids;
  if (list.empty()) return ids;
  core::Reader reader(list);
  for (std::size_t count = reader.array(); count > 0; --count) ids.push_back(take_id(reader));
  return ids;
}

}  // namespace

core::Limits World::limits(test::Random& random) {
  core::Limits limits;
  limits.calls_in_flight = random.one_in(4) ? 64 : 2 + random.below(5);
  limits.session_lease = milliseconds(1000 + random.below(2000));
  limits.claim_lease = seconds(2);
  return limits;
}

World::World(std::uint64_t seed, core::Fault fault, bool remembers)
    : random_(seed),
      verdict_(remembers),
      book_(verdict_),
      host_(schedule_, random_, verdict_, book_, limits(random_), fault),
      place_{schedule_, random_, verdict_, book_, host_},
      threads_(1 + random_.below(3)),
      patience_(milliseconds(500 + random_.below(6000))) {
  for (unsigned count = 2 + random_.below(3); count > 0; --count) add_process();
}

void World::add_process() {
  const auto peer = random_.one_in(2) ? server::Peer::vouched : server::Peer::remote;
  const auto number = static_cast<unsigned>(processes_.size());
  processes_.push_back(std::make_unique<Process>(place_, number, peer, patience_, threads_));
}

// Something happens to somebody.
void World::trouble() {
  Process& process = *processes_[random_.below(static_cast<unsigned>(processes_.size()))];
  const auto time = [&](unsigned most) { return milliseconds(random_.below(most)); };
  const unsigned what = random_.below(100);
  if (what < 45) {
    process.part(time(30), time(60));
  } else if (what < 60) {
    process.part(time(800), time(3500));
  } else if (what < 78) {
    process.pause(time(random_.one_in(4) ? 4000 : 200));
  } else if (what < 84) {
    host_.pause(time(random_.one_in(4) ? 2500 : 100));
  } else if (process.alive()) {
    if (what < 88) process.announce_end();
    schedule_.after(time(40), [&process] { process.die(); });
    add_process();
  }
}

void World::live(core::Duration time) {
  const core::Time end = schedule_.now() + time;
  core::Time next = schedule_.now() + milliseconds(random_.below(80));
  while (good() && schedule_.now() < end) {
    if (schedule_.step(std::min(next, end))) continue;
    if (schedule_.now() >= next) {
      trouble();
      next = schedule_.now() + milliseconds(1 + random_.below(120));
    }
  }
}

bool World::at_rest() const {
  std::size_t living = 0;
  for (const auto& process : processes_) {
    if (!process->at_rest()) return false;
    living += process->alive() ? 1 : 0;
  }
  return host_.at_rest() && place_.host.network().under_way() == 0 && book_.sessions() == living;
}

std::string World::unrest() const {
  std::string text = fmt::format("{} sessions, {} frames under way", book_.sessions(),
                                 place_.host.network().under_way());
  if (!host_.at_rest()) text += ", the server has something to do";
  for (const auto& process : processes_) {
    if (!process->at_rest()) text += ", " + process->unrest();
  }
  return text;
}

void World::calm() {
  place_.calm = true;
  host_.network().calm(true);
  const core::Time end = schedule_.now() + kCalmMost;
  const std::uint64_t last = schedule_.steps() + kCalmSteps;
  while (good() && !at_rest()) {
    if (!schedule_.step(end) || schedule_.steps() > last) {
      return verdict_.broken(Promise::both_sides_agree, "it does not come to rest: " + unrest());
    }
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (!processes_[i]->lost()) continue;
      processes_[i]->die();
      add_process();
    }
  }
}

// The inspector's view: the types of all objects, and the whole text under the manager's number.
std::map<core::ObjectId, std::string> World::objects() {
  const std::string encoded = host_.ask(core::kManagerObject, "debug_info", kNoArguments);
  core::Reader reader(encoded);
  const std::string text(reader.string());
  std::map<core::ObjectId, std::string> all{{core::kManagerObject, text}};
  for (auto mark = text.find('#'); mark != std::string::npos; mark = text.find('#', mark + 1)) {
    const auto begin = text.rfind('\n', mark) + 1;
    const std::string type = text.substr(begin, mark - begin);
    if (!type.starts_with("  ") || type.find('\'') != std::string::npos) continue;  // a name's
    all.emplace(core::ObjectId{std::stoull(text.substr(mark + 1))}, type.substr(2));
  }
  return all;
}

void World::check_calm() {
  if (!good()) return;
  verdict_.note([] { return "calm"; });
  book_.check_calm();
  const auto all = objects();
  for (const auto& process : processes_) process->check_calm(all);
}

void World::check_queue(core::ObjectId id, QueueBook& book) {
  const std::string size = host_.ask(id, "size", kNoArguments);
  std::vector<std::int64_t> found;
  if (core::Reader(size).natural() > 0) {
    found = ids_in(host_.ask(id, "get_many", one_argument(999)));
  }
  const std::vector<std::int64_t> expected = book.must_be_there();
  for (const std::int64_t item : found) {
    if (book.has(item)) continue;
    verdict_.broken(Promise::item_is_once, fmt::format("item {} is there, and was taken", item));
  }
  std::erase_if(found, [&](std::int64_t item) {  // what may be there or not
    return std::ranges::find(expected, item) == expected.end();
  });
  if (found == expected) return;
  std::ranges::sort(found);
  auto sorted = expected;
  std::ranges::sort(sorted);
  const bool same = found == sorted;
  verdict_.broken(same ? Promise::items_in_order : Promise::item_is_once,
                  fmt::format("a queue has {} items at the end, of {}", found.size(),
                              expected.size()));
}

void World::check_contents() {
  const auto all = objects();
  for (const auto& [id, book] : book_.objects()) {
    if (!all.contains(id)) continue;
    if (auto* queue = dynamic_cast<QueueBook*>(book.get())) {
      check_queue(id, *queue);
    } else if (const auto* list = dynamic_cast<const ListBook*>(book.get())) {
      const auto found = ids_in(host_.ask(id, "copy", kNoArguments));
      if (std::ranges::equal(found, list->items())) continue;
      verdict_.broken(Promise::done_once, fmt::format("a list has {} items at the end, not {}",
                                                      found.size(), list->items().size()));
    } else if (const auto* dict = dynamic_cast<const DictBook*>(book.get())) {
      std::map<std::string, std::int64_t> found;
      const std::string items = host_.ask(id, "items", kNoArguments);
      core::Reader reader(items);
      for (std::size_t count = reader.array(); count > 0; --count) {
        reader.array();
        const std::string key(reader.string());
        found[key] = take_id(reader);
      }
      if (found == dict->items()) continue;
      verdict_.broken(Promise::done_once, "a dict has other items at the end than were set");
    }
  }
}

void World::end() {
  for (const auto& process : processes_) process->finish();
  calm();
  check_calm();
  if (good()) check_contents();
  for (const auto& process : processes_) process->drop_references();
  const core::Time over = schedule_.now() + seconds(3);  // handles that nobody has claimed
  while (good() && schedule_.step(over)) {
  }
  calm();
  check_calm();
  if (!good()) return;
  for (const char* name : {"queue", "narrow", "lock", "rlock", "list", "dict"}) {
    std::string args;
    core::Writer writer(args);
    writer.array(1);
    writer.string(name);
    host_.ask(core::kManagerObject, "remove", args);
  }
  host_.end_inspection();
  const server::Core& core = host_.core();
  if (core.number_of_objects() != 0 || core.number_parked() != 0 || core.number_of_names() != 0) {
    verdict_.broken(Promise::nothing_is_left,
                    fmt::format("{} objects and {} waiting calls are left",
                                core.number_of_objects(), core.number_parked()));
  }
  for (const auto& process : processes_) process->leave();
  const core::Time gone = schedule_.now() + seconds(1);
  while (good() && schedule_.step(gone)) {
  }
  if (good() && core.number_of_sessions() != 0) {
    verdict_.broken(Promise::nothing_is_left, "a session is left");
  }
}

Ended World::run() {
  for (unsigned rounds = 1 + random_.below(3); good() && rounds > 0; --rounds) {
    place_.calm = false;
    host_.network().calm(false);
    for (const auto& process : processes_) process->go_on();
    live(milliseconds(100 + random_.below(900)));
    calm();
    check_calm();
  }
  Ended ended;
  ended.state = host_.core().save();
  if (good()) end();
  ended.violation = verdict_.violation();
  ended.last = verdict_.last();
  ended.steps = schedule_.steps();
  ended.events = verdict_.events();
  ended.counts = book_.counts();
  return ended;
}

Ended run_world(std::uint64_t seed, core::Fault fault, bool remembers) {
  seed_random_bytes(seed);
  return World(seed, fault, remembers).run();
}

}  // namespace steward::detail::simulation
