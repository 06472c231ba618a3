#include "tests/chaos/bus/fault_vfs.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "host/base/status.h"

namespace outboard::bus {
namespace {

constexpr size_t kSector = 512;

// SQLite allocates these; the real file follows.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* vfs;
  std::shared_ptr<FaultVfs::Model>* model;  // Null: a file that is no matter of ours.
  sqlite3_file* real;
};

FaultFile* Of(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real; }

int Close(sqlite3_file* file) {
  const int code = Real(file)->pMethods->xClose(Real(file));
  delete Of(file)->model;
  Of(file)->model = nullptr;
  return code;
}
int Read(sqlite3_file* file, void* to, int n, sqlite3_int64 at) {
  if (!Of(file)->vfs->Readable()) return SQLITE_IOERR_READ;
  return Real(file)->pMethods->xRead(Real(file), to, n, at);
}
int Write(sqlite3_file* file, const void* from, int n, sqlite3_int64 at) {
  if (Of(file)->model != nullptr) {
    FaultVfs::Change change;
    change.offset = static_cast<uint64_t>(at);
    change.bytes.assign(static_cast<const char*>(from), static_cast<size_t>(n));
    const int code = Of(file)->vfs->Written(Of(file)->model->get(), std::move(change));
    if (code != SQLITE_OK) return code;
  }
  return Real(file)->pMethods->xWrite(Real(file), from, n, at);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (Of(file)->model != nullptr) {
    FaultVfs::Change change;
    change.offset = static_cast<uint64_t>(size);
    change.truncate = true;
    const int code = Of(file)->vfs->Written(Of(file)->model->get(), std::move(change));
    if (code != SQLITE_OK) return code;
  }
  return Real(file)->pMethods->xTruncate(Real(file), size);
}
int Sync(sqlite3_file* file, int flags) {
  // The real disk need not be waited for: what counts as synced is the model's matter.
  return Of(file)->model == nullptr ? SQLITE_OK : Of(file)->vfs->Synced(Of(file)->model->get());
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}
int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}
int CheckReserved(sqlite3_file* file, int* out) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), out);
}
int FileControl(sqlite3_file* file, int op, void* arg) {
  if (op == SQLITE_FCNTL_SIZE_HINT) return SQLITE_OK;
  return Real(file)->pMethods->xFileControl(Real(file), op, arg);
}
int SectorSize(sqlite3_file*) { return static_cast<int>(kSector); }
// What a write does not cover stays as it is; nothing else is promised.
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return Real(file)->pMethods->xShmMap(Real(file), page, size, extend, out);
}
int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, n, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int remove) {
  return Real(file)->pMethods->xShmUnmap(Real(file), remove);
}

const sqlite3_io_methods kMethods = {
    2,        Close,         Read,        Write,      Truncate,        Sync,   FileSize, Lock,
    Unlock,   CheckReserved, FileControl, SectorSize, Characteristics, ShmMap, ShmLock,  ShmBarrier,
    ShmUnmap, nullptr,       nullptr};

FaultVfs* Self(sqlite3_vfs* vfs) { return static_cast<FaultVfs*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  FaultFile* fault = Of(file);
  fault->base.pMethods = nullptr;
  fault->vfs = Self(vfs);
  fault->model = nullptr;
  fault->real = reinterpret_cast<sqlite3_file*>(fault + 1);
  if (!Self(vfs)->Readable()) return SQLITE_CANTOPEN;
  sqlite3_vfs* real = Self(vfs)->real();
  const int code = real->xOpen(real, name, fault->real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  constexpr int kOurs = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  if (name != nullptr && (flags & kOurs) != 0) {
    fault->model = new std::shared_ptr<FaultVfs::Model>(Self(vfs)->Find(name));
  }
  fault->base.pMethods = &kMethods;
  return SQLITE_OK;
}
int Delete(sqlite3_vfs* vfs, const char* name, int sync_dir) {
  if (Self(vfs)->crashed()) return SQLITE_IOERR_DELETE;
  Self(vfs)->Forget(name);
  return Self(vfs)->real()->xDelete(Self(vfs)->real(), name, 0);
}
int Access(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
  return Self(vfs)->real()->xAccess(Self(vfs)->real(), name, flags, out);
}
int FullPathname(sqlite3_vfs* vfs, const char* name, int n, char* out) {
  return Self(vfs)->real()->xFullPathname(Self(vfs)->real(), name, n, out);
}
int Randomness(sqlite3_vfs* vfs, int n, char* out) {
  return Self(vfs)->real()->xRandomness(Self(vfs)->real(), n, out);
}
int Sleep(sqlite3_vfs* vfs, int micros) {
  return Self(vfs)->real()->xSleep(Self(vfs)->real(), micros);
}
int LastError(sqlite3_vfs* vfs, int n, char* out) {
  return Self(vfs)->real()->xGetLastError(Self(vfs)->real(), n, out);
}
int CurrentTime(sqlite3_vfs* vfs, sqlite3_int64* out) {
  return Self(vfs)->real()->xCurrentTimeInt64(Self(vfs)->real(), out);
}

void ApplyTo(std::string* content, const FaultVfs::Change& change) {
  if (change.truncate) {
    content->resize(change.offset);
    return;
  }
  const size_t end = change.offset + change.bytes.size();
  if (content->size() < end) content->resize(end);
  std::memcpy(content->data() + change.offset, change.bytes.data(), change.bytes.size());
}

}  // namespace

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)) {
  static std::atomic<int> number{0};
  name_ = "outboard-fault-" + std::to_string(number++);
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + real_->szOsFile;
  vfs_.mxPathname = real_->mxPathname;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  vfs_.xAccess = Access;
  vfs_.xFullPathname = FullPathname;
  vfs_.xRandomness = Randomness;
  vfs_.xSleep = Sleep;
  vfs_.xGetLastError = LastError;
  vfs_.xCurrentTimeInt64 = CurrentTime;
  OUTBOARD_CHECK(sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&vfs_); }

void FaultVfs::CrashAt(uint64_t n, uint64_t seed) {
  MutexLock lock(mu_);
  crash_at_ = operations_ + n;
  random_.seed(seed);
}

void FaultVfs::CrashNow() {
  MutexLock lock(mu_);
  if (!crashed_) Crash();
}

std::shared_ptr<FaultVfs::Model> FaultVfs::Find(const std::string& path) {
  MutexLock lock(mu_);
  std::shared_ptr<Model>& model = models_[path];
  if (model) return model;
  model = std::make_shared<Model>();
  model->path = path;
  // What was there before we came is on disk.
  std::ifstream in(path, std::ios::binary);
  model->synced.assign(std::istreambuf_iterator<char>(in), {});
  model->size = model->synced.size();
  return model;
}

void FaultVfs::Forget(const std::string& path) {
  MutexLock lock(mu_);
  models_.erase(path);
}

int FaultVfs::Count() {
  if (crashed_) return SQLITE_IOERR;
  if (++operations_ == crash_at_) {
    Crash();
    return SQLITE_IOERR;
  }
  return fail_;
}

uint64_t FaultVfs::Total() const {
  uint64_t total = 0;
  for (const auto& [path, model] : models_) total += model->size;
  return total;
}

int FaultVfs::Written(Model* model, Change change) {
  MutexLock lock(mu_);
  if (!crashed_ && operations_ + 1 == crash_at_) {
    // The write under way when the power goes may be there in part.
    model->unsynced.push_back(std::move(change));
    return Count();
  }
  const int code = Count();
  if (code != SQLITE_OK) return code;
  const uint64_t end = change.truncate ? change.offset : change.offset + change.bytes.size();
  if (!change.truncate && end > model->size && quota_ > 0 && Total() + end - model->size > quota_) {
    return SQLITE_FULL;
  }
  model->size = change.truncate ? end : std::max(model->size, end);
  model->unsynced.push_back(std::move(change));
  return SQLITE_OK;
}

int FaultVfs::Synced(Model* model) {
  MutexLock lock(mu_);
  const int code = Count();
  if (code != SQLITE_OK) return code;
  if (lose_syncs_) {
    model->unsynced.clear();
    return SQLITE_IOERR_FSYNC;
  }
  ++syncs_;
  for (const Change& change : model->unsynced) ApplyTo(&model->synced, change);
  model->unsynced.clear();
  return SQLITE_OK;
}

// Each write since its file's last sync is there, is not, or is there in some of its sectors.
void FaultVfs::Crash() {
  crashed_ = true;
  for (const auto& [path, model] : models_) {
    std::string content = model->synced;
    for (const Change& change : model->unsynced) {
      const uint64_t choice = random_() % 3;
      if (choice == 0) continue;
      if (choice == 1 || change.truncate) {
        ApplyTo(&content, change);
        continue;
      }
      for (size_t at = 0; at < change.bytes.size();) {
        const size_t in_sector = kSector - (change.offset + at) % kSector;
        const size_t n = std::min(in_sector, change.bytes.size() - at);
        if (random_() % 2 == 0) {
          ApplyTo(&content, {change.offset + at, change.bytes.substr(at, n), false});
        }
        at += n;
      }
    }
    survivors_[path] = std::move(content);
  }
}

void FaultVfs::WriteSurvivors(const std::string& folder) {
  std::filesystem::create_directories(folder);
  MutexLock lock(mu_);
  for (const auto& [path, content] : survivors_) {
    const std::string to = folder + "/" + std::filesystem::path(path).filename().string();
    std::ofstream out(to, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
  }
}

}  // namespace outboard::bus
